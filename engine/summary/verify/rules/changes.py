"""Changes: against which population, which way, from what to what, and what the tests say.

A direction is a verdict of a test, of one quantity against one population. That a change was not shown is no claim
that there is none: "unchanged" and "stable" are words that no rule reads.
"""

from typing import Final

from phenostream.engine.summary.changes import Against, Comparison, MarkerChange, ShareChange
from phenostream.engine.summary.facts import INTERVAL_COVERAGE
from phenostream.engine.summary.verify.names import is_named, marker_names
from phenostream.engine.summary.verify.numerals import rounds_to
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading, Sentence
from phenostream.engine.summary.verify.rules.rule import rules

_PREVIOUS: Final = "the (previous window|window before)"
_REFERENCE: Final = "the reference [{i}]"
_OTHER: Final = f"({_PREVIOUS}|{_REFERENCE}) [< simulated cells >]"
_UP: Final = "[significantly] (rose|increased|grew|went up|higher|larger)"
_DOWN: Final = "[significantly] (fell|decreased|dropped|declined|went down|lower|smaller)"
_IS: Final = "(is|was|are|were)"
_UNLIKE: Final = "(unlike the training cells|that look unlike the training cells|that look unusual)"
_SHARES: Final = (
    "[(the|a)] (share|proportion|fraction) of [the] {c}",
    "the (reject|rejection) rate",
    "the rejected share",
    f"[the] (share|proportion|fraction) of (unusual cells|cells {_UNLIKE})",
)
_BY_SHARE: Final = "((from|<) {p}|by {n} [percentage] points)"
"""Without it, that there are more of a class could be read of its cells, which were not compared."""
_TEST: Final = "(test|tests)"
_LARGEST_BOUND: Final = 0.05
"""Of a p: that it is below a half says nothing."""
_FEW: Final = "(too few cells|there (are|were) too few cells|too few cells (are|were) there)"


def _against(r: Reading, phrase: Phrase) -> None:
    """The population that everything in this sentence is compared with."""
    kind: Against = "reference" if phrase.contains("reference") else "previous"
    comparison = r.facts.comparison(kind)
    opens = r.opens(phrase) or r.sentence.last is phrase
    r.true(opens, "comparison", phrase, "at the beginning or the end of what is compared")
    if r.sentence.against is not None:
        r.refuse("comparison", phrase, "one population to compare with in a sentence")
    r.sentence.against = comparison
    if comparison is None:
        r.refuse("comparison", phrase, "no comparison, for the facts hold none with that")
        return
    if phrase.has("i"):
        named = is_named(phrase.token("i").text, comparison.name)
        r.true(named, "comparison", phrase, "the name of the reference")
    if phrase.contains("simulated"):
        r.true(comparison.synthetic, "synthetic", phrase, "a comparison with real cells")
    elif comparison.synthetic and not r.facts.source_synthetic:
        r.refuse("synthetic", phrase, "the name of what is compared with, and: (simulated cells)")


def _nothing_compared(r: Reading, phrase: Phrase) -> None:
    _against(r, phrase)
    comparison = r.sentence.against
    if comparison is None:
        return
    obstacle = "another model" if phrase.contains("model") else "no cells"
    r.true(comparison.obstacle == obstacle, "comparison", phrase, f"{comparison.obstacle}")


def _too_few(r: Reading, phrase: Phrase) -> None:
    if phrase.contains("reference") or phrase.contains("window"):
        _against(r, phrase)
    comparison = _compared(r, phrase)
    if comparison is None:
        return
    few = _with_verdict(comparison, "too_few")
    if phrase.has("n"):
        r.count(phrase, "n", len(few), "quantities with too few cells")
    else:
        told = len(few) == len(_all(comparison))
        r.true(told, "comparison", phrase, "what the tests say of the quantities they tested")


def _size(r: Reading, phrase: Phrase) -> None:
    comparison = _compared(r, phrase)
    if comparison is not None:
        r.count(phrase, "n", comparison.classified, "cells classified there")
        r.count(phrase, "n2", comparison.frames, "frames there")


def _compared(r: Reading, phrase: Phrase) -> Comparison | None:
    comparison = r.sentence.against
    r.true(comparison is not None, "comparison", phrase, "with what it is compared, before")
    return comparison


def _all(comparison: Comparison) -> list[ShareChange | MarkerChange]:
    return [*comparison.shares, *comparison.markers]


def _with_verdict(comparison: Comparison, *verdicts: str) -> list[ShareChange | MarkerChange]:
    return [one for one in _all(comparison) if one.verdict in verdicts]


def _share(r: Reading, phrase: Phrase) -> None:
    """A share is up or down, perhaps from what to what."""
    comparison = _compared(r, phrase)
    change = None if comparison is None else _share_of(r, phrase, comparison)
    if change is None:
        r.refuse("comparison", phrase, "a quantity that was compared")
        return
    up = any(map(phrase.contains, ("rose", "increased", "grew", "up", "higher", "larger")))
    verdict = "up" if up else "down"
    if r.true(change.verdict == verdict, "comparison", phrase, f"{change.verdict}"):
        r.sentence.change = change
        r.sentence.changes += 1
    else:
        r.sentence.change = None
    r.sentence.recent = None
    r.about("other")


def _share_of(r: Reading, phrase: Phrase, comparison: Comparison) -> ShareChange | None:
    of, name = "unusual", ""
    if phrase.has("c"):
        of, name = "class", r.name(phrase, phrase.token("c").index).name
    elif phrase.contains("reject") or phrase.contains("rejected") or phrase.contains("rejection"):
        of = "rejected"
    return next((one for one in comparison.shares if (one.of, one.name) == (of, name)), None)


def _unclear(r: Reading, phrase: Phrase) -> None:
    """No change is shown: of all that was tested, of so many quantities, or of one class."""
    comparison = _compared(r, phrase)
    if comparison is None:
        return
    unclear = _with_verdict(comparison, "unclear")
    if phrase.has("c"):
        change = _share_of(r, phrase, comparison)
        r.true(change in unclear, "comparison", phrase, f"{change.verdict if change else 'none'}")
    elif phrase.has("n"):
        r.count(phrase, "n", len(unclear), "quantities without a change that is shown")
    else:
        none = bool(unclear) and not comparison.changed
        r.true(none, "comparison", phrase, "the changes that the tests show")


def _further(r: Reading, phrase: Phrase) -> None:
    comparison = _compared(r, phrase)
    if comparison is not None:
        more = len(_with_verdict(comparison, "up", "down")) - r.sentence.changes
        r.count(phrase, "n", more, "further changes")


def _ends(r: Reading, phrase: Phrase) -> None:
    """What the share was and is."""
    change = r.sentence.change
    if not isinstance(change, ShareChange):
        r.refuse("binding", phrase, "the ends of a share's change")
        return
    before, now = ("p", "p2") if phrase.contains("from") else ("p2", "p")
    r.share(phrase, before, change.before, "before")
    r.share(phrase, now, change.now, "now")


def _difference(r: Reading, phrase: Phrase) -> None:
    change = r.sentence.change
    if not isinstance(change, ShareChange):
        r.refuse("binding", phrase, "the difference of a share's change")
        return
    fact = change.difference
    _rounded(r, phrase, "n", 100 * (abs(fact) if phrase.contains("by") else fact))


def _difference_interval(r: Reading, phrase: Phrase) -> None:
    change = r.sentence.change
    if not isinstance(change, ShareChange):
        r.refuse("binding", phrase, "the difference of a share's change")
        return
    r.share(phrase, "p", INTERVAL_COVERAGE, "is the coverage of this interval")
    _rounded(r, phrase, "n", 100 * change.low)
    _rounded(r, phrase, "n2", 100 * change.high)


def _rounded(r: Reading, phrase: Phrase, place: str, fact: float) -> None:
    token = phrase.token(place)
    something = token.decimals > 0 or (token.value == 0) == (fact == 0)
    told = something and rounds_to(fact, token.value, token.decimals)
    if not (token.kind == "number" and told):
        r.refuse("value", phrase, f"{fact:.4g}")


def _probability(r: Reading, phrase: Phrase) -> None:
    """The p of the change told last, where the phrase has one."""
    change = r.sentence.change
    if change is None or change.p is None:
        r.refuse("value", phrase, "no p, for there was no test")
        return
    written = phrase.token("n").value
    if phrase.contains("below"):
        r.true(change.p < written <= _LARGEST_BOUND, "value", phrase, f"p {change.p:.3g}")
    elif r.true(written > 0, "value", phrase, f"p {change.p:.3g}"):
        _rounded(r, phrase, "n", change.p)


def _marker(r: Reading, phrase: Phrase) -> None:
    """A marker of a class tends higher or lower."""
    comparison = _compared(r, phrase)
    one = r.name(phrase, phrase.token("c").index)
    index = phrase.token("m").index
    names = marker_names(r.facts)
    pooled = "/" in names[index] or not phrase.contains("pooled")
    r.true(pooled, "pool", phrase, "of a pooled marker only")
    changes = () if comparison is None else comparison.markers
    sought = (one.name, names[index])
    change = next((c for c in changes if (c.class_name, c.name) == sought), None)
    verdict = "up" if phrase.contains("higher") else "down"
    r.sentence.change = None
    if change is None or change.verdict != verdict:
        allowed = "a marker that was compared" if change is None else change.verdict
        r.refuse("comparison", phrase, allowed)
    else:
        r.sentence.change = change
        r.sentence.changes += 1
    r.about("other")


def _medians(r: Reading, phrase: Phrase) -> None:
    """Of the marker whose change was told last: the median here, and there."""
    change = r.sentence.change
    if not isinstance(change, MarkerChange) or change.now is None or change.before is None:
        r.refuse("binding", phrase, "the medians of a marker's change")
        return
    r.value(phrase, "n", change.now, "median now")
    r.value(phrase, "n2", change.before, "median before")


def _superiority(r: Reading, phrase: Phrase) -> None:
    change = r.sentence.change
    if not isinstance(change, MarkerChange) or change.superiority is None:
        r.refuse("binding", phrase, "the superiority of a marker's change")
        return
    told = phrase.token("n").decimals > 1
    if r.true(told, "value", phrase, f"{change.superiority:.4g}, with two decimals at least"):
        _rounded(r, phrase, "n", change.superiority)


def _level(r: Reading, phrase: Phrase) -> None:
    """At which level, over how many tests, changes are judged."""
    made = [one for one in r.facts.comparisons if one.tests]
    if r.true(bool(made), "comparison", phrase, "no tests, for the facts hold none"):
        r.share(phrase, "p", made[0].alpha, "is the level of the tests")
        r.count(phrase, "n", made[0].tests, "tests")
        if phrase.has("n2"):
            r.count(phrase, "n2", 1, "that a change is called")


def _against_spread(r: Reading, phrase: Phrase) -> None:
    """What stands beside every test: see `comparing`."""
    r.true(any(one.tests for one in r.facts.comparisons), "comparison", phrase, "no tests")


def _reserved(r: Reading, phrase: Phrase) -> None:
    """What the intervals assume."""
    r.count(phrase, "n", 1, "frame, whose cells are not independent")


def _has_change(sentence: Sentence) -> bool:
    return sentence.change is not None


def _has_comparison(sentence: Sentence) -> bool:
    return sentence.against is not None


AGAINST: Final = rules(
    _against,
    f"(compared (with|to)|relative to|against|versus|in comparison (with|to)|since) {_OTHER}",
)
CHANGES: Final = (
    *AGAINST,
    *rules(
        _nothing_compared,
        f"(nothing is compared with|a comparison with) {_OTHER} , which is of another model",
        f"a comparison with {_OTHER} (is|was) not made , for it is of another model",
        f"{_OTHER} (is|was) not compared [with this (frame|sample|window|run)] , "
        "(as|for|because) it is (of|from) (another|a different) model",
        f"there are no cells for a comparison with {_OTHER}",
        f"nothing is compared with {_OTHER} , for lack of cells",
    ),
    *rules(
        _too_few,
        f"{_FEW} for a comparison with {_OTHER}",
        f"for a comparison with {_OTHER} {_FEW}",
    ),
    *rules(_too_few, f"{_FEW} to test ({{n}} (quantity|quantities)|any quantity)"),
    *rules(_size, "< {n} classified in {n2} (frames|frame) >", when=_has_comparison),
    *(
        rule
        for share in _SHARES
        for rule in rules(
            _share,
            f"{share} ({_UP}|{_DOWN})",
            f"{share} {_IS} ({_UP}|{_DOWN})",
            f"{share} (has|have) (risen|increased|grown|fallen|decreased|dropped)",
            when=_has_comparison,
        )
    ),
    *rules(
        _share,
        f"{{c}} [{_IS}] ({_UP}|{_DOWN}) ?= {_BY_SHARE}",
        f"{{c}} (has|have) (risen|increased|grown|fallen|decreased|dropped) ?= {_BY_SHARE}",
        when=_has_comparison,
    ),
    *rules(
        _unclear,
        "no [clear] (change|changes) (is|was|are|were) (shown|found|seen|detected) "
        "[in {n} tested (quantity|quantities)]",
        "the tests show no change [in {n} tested (quantity|quantities)]",
        "no change could be shown [in {n} tested (quantity|quantities)]",
        "no change was found by the tests",
        "no [clear] change in [the share of] {c} (is|was) (shown|found)",
        "no [clear] change (is|was) (shown|found) in [the share of] {c}",
    ),
    *rules(_further, "{n} further (change|changes)"),
    *rules(
        _ends,
        "from {p} to {p2}",
        "[at] {p} (against|compared with|instead of|after) {p2}",
        "{p} , {p2} (there|before)",
        when=_has_change,
        inside=True,
    ),
    *rules(
        _difference,
        "[by] [difference] {n} [percentage] points",
        when=_has_change,
        inside=True,
        follows=True,
    ),
    *rules(
        _difference_interval,
        "{p} interval {n} (to|-) {n2} [percentage] points",
        when=_has_change,
        inside=True,
    ),
    *rules(
        _probability,
        "[adjusted] p [(=|:|of)] [below] {n}",
        when=_has_change,
        inside=True,
        follows=True,
    ),
    *rules(
        _marker,
        "{m} tends [to be] (higher|lower) (in|for) [the] {c}",
        "in [the] {c} , {m} tends [to be] (higher|lower)",
        "{m} < pooled , cannot be separated > tends [to be] (higher|lower) (in|for) [the] {c}",
        "in [the] {c} , {m} < pooled , cannot be separated > tends [to be] (higher|lower)",
        when=_has_comparison,
    ),
    *rules(
        _medians, "median {n} , (before|there) {n2}", when=_has_change, inside=True, follows=True
    ),
    *rules(
        _medians,
        "median {n} (against|compared with|instead of|after) {n2}",
        when=_has_change,
        inside=True,
    ),
    *rules(
        _superiority, "probability of superiority {n}", when=_has_change, inside=True, follows=True
    ),
    *rules(
        _level,
        f"[changes are judged] at a level of {{p}} over {{n}} {_TEST} together [< holm >]",
        f"the level of all {{n}} {_TEST} together is {{p}} [< holm >]",
        f"a change is called {{n2}} at a level of {{p}} over {{n}} {_TEST} together [< holm >]",
    ),
    *rules(
        _against_spread,
        "(a change has to stand|what is called a change stands) out against the spread between frames too",
    ),
    *rules(
        _reserved,
        "intervals of shares take cells as independent , which those of {n} frame are not quite",
    ),
)
