"""How much the numbers are worth: confidence, unusual cells, flagged frames, frames left out, what is synthetic."""

from collections.abc import Callable
from typing import Final

from phenostream.engine.summary.facts import INTERVAL_COVERAGE, FlaggedFrames, FrameAccount
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import DIVISIBLE, Reading
from phenostream.engine.summary.verify.rules.rule import Rule, rules

_WERE: Final = "(were|was|are|is)"
_ALL_CELLS: Final = "(overall|(of|over) (all [classified] cells|the classified cells))"


def _confidence(r: Reading, phrase: Phrase) -> None:
    """Of all classified cells; where one class alone was named it could be that class's, and has to be both."""
    r.seen.add("confidence")
    sentence, overall = r.sentence, r.facts.mean_confidence
    said_overall = phrase.contains("overall") or phrase.contains("classified")
    if phrase.has("c"):
        one = r.name(phrase, phrase.token("c").index)
        _mean(r, phrase, one.mean_confidence, f"mean confidence of class {one.name}")
        return
    allowed = sentence.subject != "other" or said_overall
    r.true(allowed, "binding", phrase, "the mean confidence of the classified cells")
    _mean(r, phrase, overall, "mean confidence of the classified cells")
    alone = set(sentence.classes) if sentence.bound is None else {sentence.bound}
    if len(alone) == 1 and not said_overall:
        one = r.of_class(alone.pop())
        _mean(r, phrase, one.mean_confidence, f"mean confidence of class {one.name}")


def _mean(r: Reading, phrase: Phrase, fact: float | None, what: str) -> None:
    if r.true(fact is not None, "value", phrase, f"no {what}, for there is no cell"):
        r.share(phrase, "p", fact or 0.0, what)


def _calibrated(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.calibrated, "calibration", phrase, "uncalibrated")


def _uncalibrated(r: Reading, phrase: Phrase) -> None:
    r.seen.add("uncalibrated")
    r.true(not r.facts.calibrated, "calibration", phrase, "calibrated")


def _unusual(r: Reading, phrase: Phrase) -> None:
    known = r.facts.unusual is not None
    if r.true(known, "count", phrase, "no count of unusual cells, for this model tells none"):
        _of_the_classified(r, phrase)
        if phrase.has("n"):
            r.count(phrase, "n", r.facts.unusual or 0, "unusual cells")
        if phrase.has("p"):
            _unusual_share(r, phrase)
    r.about("other")


def _of_the_classified(r: Reading, phrase: Phrase) -> None:
    """Unusual cells are told of all classified cells: not of a class, nor of those that were rejected."""
    by_pronoun = phrase.contains("these") or phrase.contains("them")
    whose = r.these() if by_pronoun else r.last_named()
    told = phrase.contains("classified") or whose in DIVISIBLE
    r.true(told, "binding", phrase, "unusual cells among all that were classified")


def _unusual_share(r: Reading, phrase: Phrase) -> None:
    r.share(phrase, "p", r.facts.unusual_share or 0.0, "of the classified cells are unusual")
    if r.last_named() == "found" and not phrase.contains("classified"):
        of_found = (r.facts.unusual or 0) / max(r.facts.found, 1)
        r.share(phrase, "p", of_found, "of the cells found; or name the classified cells")


def _none_unusual(r: Reading, phrase: Phrase) -> None:
    told = r.facts.unusual == 0 and r.facts.classified > 0
    r.true(told, "count", phrase, f"unusual cells: {r.facts.unusual}")
    r.about("other")


def _unusual_interval(r: Reading, phrase: Phrase) -> None:
    r.share(phrase, "p3", INTERVAL_COVERAGE, "is the coverage of the interval of a share")
    low, high = r.facts.unusual_low, r.facts.unusual_high
    if (
        r.true(low is not None, "interval", phrase, "no interval of this share")
        and high is not None
    ):
        r.interval(phrase, low or 0.0, high, ("x", "p2"))


def _unusual_with_interval(r: Reading, phrase: Phrase) -> None:
    _unusual_interval(r, phrase)
    _unusual(r, phrase)


def _judged(r: Reading, phrase: Phrase) -> None:
    """How many cells the model saw: those it classified and those it rejected."""
    r.count(phrase, "n", r.facts.classified + r.facts.rejected, "cells that the model judged")
    r.about("other")


def _reject_rate(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.rejects, "share", phrase, "no reject rate, for this model rejects nothing")
    if phrase.has("n"):
        _judged(r, phrase)
    r.share(phrase, "p", r.facts.rejected_share, "of the classified and rejected")
    if phrase.has("p2"):
        r.share(phrase, "p3", INTERVAL_COVERAGE, "is the coverage of the interval of a share")
        r.interval(phrase, r.facts.rejected_low, r.facts.rejected_high, ("x", "p2"))
    r.about("other")


def _synthetic(r: Reading, phrase: Phrase) -> None:
    r.seen.add("synthetic")
    r.true(r.facts.synthetic, "synthetic", phrase, "nothing synthetic")


def _model_synthetic(r: Reading, phrase: Phrase) -> None:
    r.seen.add("synthetic")
    r.true(r.facts.model_synthetic, "synthetic", phrase, "a model trained on real cells")


def _source_synthetic(r: Reading, phrase: Phrase) -> None:
    r.seen.add("synthetic")
    r.true(r.facts.source_synthetic, "synthetic", phrase, "cells of a microscope")


def _caveat(r: Reading, phrase: Phrase) -> None:
    r.seen.add("caveat")


def _cannot_reject(r: Reading, phrase: Phrase) -> None:
    r.true(not r.facts.rejects, "word", phrase, "a model that tells other objects")


def _cannot_score(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.unusual is None, "word", phrase, "a model that tells unusual cells")


def _cannot_both(r: Reading, phrase: Phrase) -> None:
    _cannot_reject(r, phrase)
    _cannot_score(r, phrase)


def _flagged(r: Reading, phrase: Phrase) -> None:
    r.count(phrase, "n", r.facts.flagged.frames, "frames flagged")
    if phrase.has("n2"):
        r.count(phrase, "n2", r.facts.frames, "frames")
    r.about("other")


def _none_flagged(r: Reading, phrase: Phrase) -> None:
    r.true(
        r.facts.flagged.frames == 0, "count", phrase, f"{r.facts.flagged.frames:,} frames flagged"
    )


def _of_kind(what: str, fact: Callable[[FlaggedFrames], int], said: str) -> tuple[Rule, ...]:
    def check(r: Reading, phrase: Phrase) -> None:
        r.count(phrase, "n", fact(r.facts.flagged), what)
        r.about("other")

    return rules(check, f"{{n}} [(frames|frame)] [{_WERE}] [(flagged|marked)] [as] {said}")


def _in_summary(r: Reading, phrase: Phrase) -> None:
    account = r.facts.account
    if r.true(account is not None, "count", phrase, "no account of a run") and account:
        others = r.facts.by_other_models
        r.count(phrase, "n", account.published - others, "frames in this summary")
        r.count(phrase, "n2", account.announced, "frames announced")


def _lost(what: str, fact: Callable[[FrameAccount], int]) -> tuple[Rule, ...]:
    def check(r: Reading, phrase: Phrase) -> None:
        account = r.facts.account
        if r.true(account is not None, "count", phrase, "no account of a run") and account:
            r.count(phrase, "n", fact(account), f"frames {what}")

    return rules(check, f"{{n}} [(frames|frame)] [{_WERE}] {what}")


def _by_others(r: Reading, phrase: Phrase) -> None:
    r.count(phrase, "n", r.facts.by_other_models, "frames seen by another model")


_JUDGED: Final = "[(the|all)] {n} (cells|cell) that the model judged"
_OWN_INTERVAL: Final = "< {p3} interval {x} (to|-) {p2} >"
_BY: Final = "by (a physics check|[the] physics checks)"
_FLAGS: Final = (
    ("dark frames", lambda flagged: flagged.dark, "dark"),
    ("saturated frames", lambda flagged: flagged.saturated, "saturated"),
    ("noisy frames", lambda flagged: flagged.noisy, "noisy"),
    ("undersampled frames", lambda flagged: flagged.undersampled, "undersampled"),
    (
        "frames whose light does not add",
        lambda flagged: flagged.residual_high,
        "(whose light does not add|with light that does not add)",
    ),
    (
        "misoriented frames",
        lambda flagged: flagged.misoriented,
        "(with shots that are not what they are called|misoriented|with misnamed shots)",
    ),
)
_UNLIKE: Final = (
    "(look|looks|looked|appear|appears|appeared|are|were|is|was) (unlike|different from) the training cells",
    "(differ|differs|differed) from the training cells",
    f"[{_WERE}] (unusual|out of distribution|out-of-distribution)",
    f"{_WERE} flagged as (unusual|out of distribution|out-of-distribution)",
)
_SOME: Final = (
    "{n} [< {p} >] [(cells|cell)] [< {p} >]",
    "{n} [of (them|these|these cells|the classified cells)]",
    "{p} [of (them|these|these cells|the classified cells)]",
)

QUALITY: Final = (
    *rules(
        _confidence,
        f"[{_ALL_CELLS}] [,] [(at|with)] [(the|a|an)] [(overall|model's)] mean [predicted] (confidence|probability) "
        f"[{_ALL_CELLS}] [(of|is|was|:|at)] {{p}} [{_ALL_CELLS}]",
        "[(at|with)] [(the|a|an)] mean (confidence|probability) (of|in|for) [the] {c} [(is|was|:|at)] [of] {p}",
    ),
    *rules(_calibrated, "[(is|are|was|were)] calibrated", "after calibration"),
    *rules(_uncalibrated, "[(is|are|was|were)] (uncalibrated|not calibrated)"),
    *(
        rule
        for who in ("{n} [< {p} >] [(cells|cell)]", *_SOME[1:], "{n} [(cells|cell)] < {p} >")
        for unlike in _UNLIKE
        for rule in rules(_unusual, f"{who} {unlike}")
    ),
    *(
        rule
        for unlike in _UNLIKE
        for rule in rules(
            _none_unusual, f"(no cells|no cell|none [of (them|these|the cells)]) {unlike}"
        )
    ),
    *(
        rule
        for unlike in _UNLIKE
        for rule in rules(
            _unusual_with_interval,
            f"{{n}} < {{p}} (;|,) {{p3}} interval {{x}} (to|-) {{p2}} > [(cells|cell)] {unlike}",
        )
    ),
    *rules(
        _reject_rate,
        f"[the] (reject rate|rejection rate|rejected share) [of {_JUDGED}] "
        f"[(is|was|:|of)] {{p}} [{_OWN_INTERVAL}]",
    ),
    *rules(_judged, f"(of|among) {_JUDGED} [,]"),
    *rules(
        _synthetic,
        "synthetic [:] from simulated cells or a model trained on them",
        "synthetic",
        "[(is|are)] synthetic",
    ),
    *rules(_model_synthetic, "[(with|by|from)] [(a|the)] model [was] trained on simulated cells"),
    *rules(_source_synthetic, "[the] cells (are|were) simulated", "(from|of) simulated cells"),
    *rules(
        _caveat,
        "[for] research use only [(, not a diagnosis|; not a diagnosis|and not a diagnosis)]",
    ),
    *rules(
        _cannot_reject,
        "[(this|the)] model (does not tell|cannot tell|leaves open) whether a cell is a white cell [at all]",
    ),
    *rules(
        _cannot_score,
        "[(this|the)] model (does not tell|cannot tell|leaves open) whether it is like the training cells",
    ),
    *rules(
        _cannot_both,
        "[(this|the)] model (does not tell|cannot tell|leaves open) whether a cell is a white cell [at all] or "
        "whether it is like the training cells",
    ),
    *rules(
        _flagged,
        f"{{n}} (frames|frame) {_WERE} flagged [{_BY}]",
        f"{{n}} of [the] {{n2}} frames {_WERE} flagged [{_BY}]",
        "physics checks flagged {n} [of [the] {n2}] (frames|frame)",
    ),
    *rules(
        _none_flagged, f"no (frame|frames) {_WERE} flagged", f"none of the frames {_WERE} flagged"
    ),
    *(rule for flag in _FLAGS for rule in _of_kind(*flag)),
    *rules(
        _in_summary,
        f"{{n}} of [the] {{n2}} [frames] announced [frames] [(that)] {_WERE} in this (summary|window|run)",
    ),
    *_lost("dropped", lambda account: account.dropped),
    *_lost("quarantined", lambda account: account.quarantined),
    *_lost("failed", lambda account: account.failed),
    *_lost("missing", lambda account: account.missing),
    *rules(
        _by_others,
        f"{{n}} [more] [(frames|frame)] [of the run] [{_WERE}] seen by (another model|other models)",
    ),
)
