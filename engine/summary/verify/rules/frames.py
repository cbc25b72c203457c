"""Frames that were flagged, and frames that are not in the summary."""

from collections.abc import Callable
from typing import Final

from phenostream.engine.summary.facts import FlaggedFrames, FrameAccount
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading, Sentence
from phenostream.engine.summary.verify.rules.parts import WERE, scope
from phenostream.engine.summary.verify.rules.rule import Rule, rules


def _flagged(r: Reading, phrase: Phrase) -> None:
    r.count(phrase, "n", r.facts.flagged.frames, "frames flagged")
    if phrase.has("n2"):
        r.count(phrase, "n2", r.facts.frames, "frames")
    r.seen.add("flagged frames")
    r.sentence.topic = "flagged"
    r.about("other")


def _none_flagged(r: Reading, phrase: Phrase) -> None:
    r.true(
        r.facts.flagged.frames == 0, "count", phrase, f"{r.facts.flagged.frames:,} frames flagged"
    )


def _of_kind(what: str, fact: Callable[[FlaggedFrames], int], said: str) -> tuple[Rule, ...]:
    def check(r: Reading, phrase: Phrase) -> None:
        r.count(phrase, "n", fact(r.facts.flagged), what)
        r.about("other")

    return (
        *rules(check, f"{{n}} (frames|frame) [{WERE}] [(flagged|marked)] [as] {said}"),
        *rules(check, f"{{n}} [as] {said}", when=_are_flagged),
    )


def _in_summary(r: Reading, phrase: Phrase) -> None:
    scope(r, phrase)
    r.seen.add("frames left out")
    account = r.facts.account
    if r.true(account is not None, "count", phrase, "no account of a run") and account:
        others = r.facts.by_other_models
        r.count(phrase, "n", account.published - others, "frames in this summary")
        r.count(phrase, "n2", account.announced, "frames announced")
    r.sentence.topic = "left out"


def _lost(what: str, fact: Callable[[FrameAccount], int]) -> tuple[Rule, ...]:
    def check(r: Reading, phrase: Phrase) -> None:
        account = r.facts.account
        if r.true(account is not None, "count", phrase, "no account of a run") and account:
            r.count(phrase, "n", fact(account), f"frames {what}")

    return (
        *rules(check, f"{{n}} (frames|frame) [{WERE}] {what}"),
        *rules(check, f"{{n}} [{WERE}] {what}", when=_are_left_out),
    )


def _are_flagged(sentence: Sentence) -> bool:
    return sentence.topic == "flagged"


def _are_left_out(sentence: Sentence) -> bool:
    return sentence.topic == "left out"


def _by_others(r: Reading, phrase: Phrase) -> None:
    r.seen.add("frames of another model")
    r.count(phrase, "n", r.facts.by_other_models, "frames seen by another model")


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

FRAMES: Final = (
    *rules(
        _flagged,
        f"{{n}} (frames|frame) {WERE} flagged [{_BY}]",
        f"{{n}} of [the] {{n2}} (frames|frame) {WERE} flagged [{_BY}]",
        "physics checks flagged {n} [of [the] {n2}] (frames|frame)",
    ),
    *rules(
        _none_flagged, f"no (frame|frames) {WERE} flagged", f"none of the frames {WERE} flagged"
    ),
    *(rule for flag in _FLAGS for rule in _of_kind(*flag)),
    *rules(
        _in_summary,
        f"{{n}} of [the] {{n2}} [frames] announced [frames] [(that)] {WERE} in this (summary|window|run)",
    ),
    *_lost("dropped", lambda account: account.dropped),
    *_lost("quarantined", lambda account: account.quarantined),
    *_lost("failed", lambda account: account.failed),
    *_lost("missing", lambda account: account.missing),
    *rules(
        _by_others,
        f"{{n}} [more] [(frames|frame)] [of the run] [{WERE}] seen by (another model|other models)",
    ),
)
