"""English phrases for one population against another.

A marker's verdict is about the whole of its values, not about their medians, which may stand still or go the other way:
it tends higher, it does not rise from one median to another.
"""

from collections.abc import Sequence
from typing import Final

from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange
from phenostream.engine.summary.drifted import DriftFacts
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import Plan, Slot, one_of
from phenostream.engine.summary.wording.changed import changed, told_of
from phenostream.engine.summary.wording.english.words import (
    NUMBERS,
    cells,
    marker,
    number_of,
    quoted,
)
from phenostream.engine.summary.wording.lists import joined

_VERBS: Final = {
    ("previous", True): (" rose", " increased", " went up"),
    ("previous", False): (" fell", " decreased", " went down"),
    ("reference", True): (" is higher", " is larger"),
    ("reference", False): (" is lower", " is smaller"),
}
"""A reference is another population, not an earlier one: nothing rose since."""
_SUBJECTS: Final = {
    "rejected": ("the reject rate", "the rejected share"),
    "unusual": (
        "the share of cells unlike the training cells",
        "the share of cells that look unlike the training cells",
    ),
}

_DRIFTED_FROM: Final = {
    "training": "the training population",
    "previous_run": "the previous run",
    "reference": "the drift reference",
}


class EnglishChanges:
    """See `ChangePhrases`."""

    def headline(
        self, facts: Facts, comparison: Comparison, told: Sequence[ShareChange | MarkerChange]
    ) -> Plan:
        """Some changes, or why there are none."""
        other = _other(facts, comparison)
        if comparison.obstacle is not None:
            return (_obstacle(comparison, other),)
        more = len(changed(comparison)) - len(told)
        if told:
            items = [(*_direction(comparison, one), _values(comparison, one)) for one in told]
            return (_opener(other), *joined(items, "and"), *_further(more))
        if told_of(comparison, "unclear"):
            return (
                _opener(other),
                one_of(
                    "no change is shown",
                    "the tests show no change",
                    "no change could be shown",
                ),
            )
        return (
            one_of(
                f"There are too few cells for a comparison with {other}",
                f"Too few cells were there for a comparison with {other}",
                f"For a comparison with {other} there are too few cells",
            ),
        )

    def full(self, facts: Facts, comparison: Comparison) -> Plan:
        """All of them."""
        other = _other(facts, comparison)
        if comparison.obstacle is not None:
            return (_obstacle(comparison, other),)
        there = f"{NUMBERS.count(comparison.classified)} classified in "
        there += number_of(comparison.frames, "frame")
        slots: list[Slot] = [_opener(f"{other} ({there})")]
        for place, one in enumerate(changed(comparison)):
            slots += [one_of("; ")] if place else []
            slots += [*_direction(comparison, one), _values(comparison, one, tested=True)]
        more = [one for one in (_unclear(comparison), _too_few(comparison)) if one is not None]
        for place, slot in enumerate(more):
            slots += [one_of("; ")] if place or len(slots) > 1 else []
            slots.append(slot)
        return tuple(slots)

    def reservation(self, comparison: Comparison) -> Plan:
        """What the tests assume."""
        tests = number_of(comparison.tests, "test")
        level = NUMBERS.nominal(comparison.alpha)
        return (
            one_of(
                f"Changes are judged at a level of {level} over {tests} together (Holm)",
                f"The level of all {tests} together is {level} (Holm)",
                f"A change is called one at a level of {level} over {tests} together (Holm)",
            ),
            one_of(
                "; a change has to stand out against the spread between frames too",
                "; what is called a change stands out against the spread between frames too",
            ),
            one_of(
                "; intervals of shares take cells as independent, which those of one frame are not quite",
                ", while intervals of shares take cells as independent, which those of one frame are not quite",
            ),
        )

    def drift(self, drift: DriftFacts) -> Plan:
        """Of what is watched, what has drifted."""
        watched = number_of(drift.tested, "watched quantity", "watched quantities")
        origin, count = f"drifted from {_DRIFTED_FROM[drift.against]}", NUMBERS.count(drift.beyond)
        if not drift.beyond:
            none = f"is shown to have {origin}"
            return (one_of(f"None of {watched} {none}", f"Of {watched}, none {none}"),)
        have = "has" if drift.beyond == 1 else "have"
        return (
            one_of(
                f"{count} of {watched} {have} {origin}", f"Of {watched}, {count} {have} {origin}"
            ),
        )


def _other(facts: Facts, comparison: Comparison) -> str:
    """The other population, marked where it alone is simulated."""
    marked = " (simulated cells)" if comparison.synthetic and not facts.source_synthetic else ""
    if comparison.against == "previous":
        return f"the previous window{marked}"
    return f"the reference {quoted(comparison.name)}{marked}"


def _opener(other: str) -> Slot:
    return one_of(f"Compared with {other}, ", f"Relative to {other}, ", f"Against {other}, ")


def _obstacle(comparison: Comparison, other: str) -> Slot:
    if comparison.obstacle == "another model":
        return one_of(
            f"Nothing is compared with {other}, which is of another model",
            f"A comparison with {other} is not made, for it is of another model",
        )
    return one_of(
        f"There are no cells for a comparison with {other}",
        f"Nothing is compared with {other}, for lack of cells",
    )


def _direction(comparison: Comparison, one: ShareChange | MarkerChange) -> Plan:
    up = one.verdict == "up"
    if isinstance(one, MarkerChange):
        way, of = "higher" if up else "lower", cells(one.class_name)
        return (
            one_of(marker(one.name)),
            one_of(f" tends {way} in {of}", f" tends to be {way} in {of}"),
        )
    subjects = _SUBJECTS.get(one.of) or (f"the share of {cells(one.name)}",)
    return one_of(*subjects), one_of(*_VERBS[comparison.against, up])


def _values(
    comparison: Comparison, one: ShareChange | MarkerChange, *, tested: bool = False
) -> Slot:
    p = f"adjusted p {NUMBERS.p(one.p)}" if one.p is not None else ""
    previous = comparison.against == "previous"
    if isinstance(one, MarkerChange):
        there = "before" if previous else "there"
        values = f"median {_median(one.now)}, {there} {_median(one.before)}"
        if tested and one.superiority is not None:
            values += f"; probability of superiority {NUMBERS.superiority(one.superiority)}; {p}"
        return one_of(f" ({values})")
    before, now = NUMBERS.percents(one.before, one.now)
    told = f" from {before} to {now}" if previous else f" ({now} against {before})"
    if not tested:
        return one_of(told)
    difference, low, high = map(NUMBERS.points, (one.difference, one.low, one.high))
    interval = f"difference {difference} points, 95 % interval {low} to {high} points"
    told = f"{told} (" if previous else f"{told[:-1]}; "
    return one_of(f"{told}{interval}; {p})")


def _unclear(comparison: Comparison) -> Slot | None:
    count = len(told_of(comparison, "unclear"))
    if not count:
        return None
    rest = number_of(count, "tested quantity", "tested quantities")
    return one_of(
        f"no change is shown in {rest}",
        f"the tests show no change in {rest}",
        f"no change could be shown in {rest}",
    )


def _too_few(comparison: Comparison) -> Slot | None:
    count = len(told_of(comparison, "too_few"))
    if not count and comparison.changes:
        return None
    rest = number_of(count, "quantity", "quantities") if count else "any quantity"
    return one_of(
        f"there are too few cells to test {rest}", f"too few cells are there to test {rest}"
    )


def _median(value: float | None) -> str:
    return "unknown" if value is None else NUMBERS.value(value)


def _further(more: int) -> Plan:
    if not more:
        return ()
    told = number_of(more, "further change")
    return (one_of(f", with {told}", f", and {told}", f", beside {told}"),)
