"""Whether facts agree with each other: facts that came from another process may say anything.

A reporter takes facts as they are, so that a majority of a class with no cells would become a sentence. Ranges of
single values are declared with the values; here is what two of them say together.
"""

from collections.abc import Iterator
from math import isclose
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange
    from phenostream.engine.summary.facts import ClassFacts, Facts


def contradiction(facts: "Facts") -> str | None:
    """The first thing that cannot be so, as one line; None where all agree."""
    return next(_contradictions(facts), None)


def _contradictions(facts: "Facts") -> Iterator[str]:
    fates = facts.classified + facts.edge + facts.rejected + facts.over_limit + facts.failed
    if facts.found != fates:
        yield f"found: {facts.found}, its fates sum to {fates}"
    counted = sum(one.count for one in facts.classes)
    if facts.classes and counted != facts.classified:
        yield f"classified: {facts.classified}, its classes sum to {counted}"
    if len({one.name for one in facts.classes}) != len(facts.classes):
        yield "classes: a name is there twice"
    if (
        len({tuple(marker.name for marker in one.markers) for one in facts.classes if one.count})
        > 1
    ):
        yield "classes: not all of them have the same markers"
    if facts.synthetic != (facts.model_synthetic or facts.source_synthetic):
        yield (
            f"synthetic: {facts.synthetic}, but model_synthetic {facts.model_synthetic} and "
            f"source_synthetic {facts.source_synthetic}"
        )
    if (facts.mean_confidence is None) != (facts.classified == 0):
        yield f"mean_confidence: {facts.mean_confidence} of {facts.classified} classified cells"
    if facts.account is not None and facts.by_other_models > facts.account.published:
        yield f"by_other_models: {facts.by_other_models} of {facts.account.published} published frames"
    yield from _rates(facts)
    yield from _flags(facts)
    for one in facts.classes:
        yield from _class(one, facts.classified)
    for comparison in facts.comparisons:
        yield from _comparison(comparison, facts)
    if len({one.against for one in facts.comparisons}) != len(facts.comparisons):
        yield "comparisons: two against the same"
    if len({one.against for one in facts.drift}) != len(facts.drift):
        yield "drift: two against the same"
    for drift in facts.drift:
        if not drift.beyond <= drift.tested or not drift.tested:
            yield f"drift against {drift.against}: {drift.beyond} of {drift.tested} tested quantities"


def _rates(facts: "Facts") -> Iterator[str]:
    seen = facts.classified + facts.rejected
    yield from _share("rejected_share", facts.rejected_share, facts.rejected, seen)
    yield from _between(
        "rejected_share", facts.rejected_low, facts.rejected_share, facts.rejected_high
    )
    absent = [
        one is None
        for one in (facts.unusual, facts.unusual_share, facts.unusual_low, facts.unusual_high)
    ]
    if absent[0] != absent[1] or absent[2] != absent[3] or (absent[0] and not absent[2]):
        yield "unusual: some of its values are there and some are not"
    elif facts.unusual is not None and facts.unusual_share is not None:
        yield from _share("unusual_share", facts.unusual_share, facts.unusual, facts.classified)
        low, high = facts.unusual_low, facts.unusual_high
        if low is not None and high is not None:
            yield from _between("unusual_share", low, facts.unusual_share, high)


def _flags(facts: "Facts") -> Iterator[str]:
    flagged = facts.flagged
    kinds = (
        flagged.dark,
        flagged.saturated,
        flagged.noisy,
        flagged.undersampled,
        flagged.residual_high,
        flagged.misoriented,
    )
    if flagged.frames > facts.frames:
        yield f"flagged.frames: {flagged.frames} of {facts.frames} frames"
    if not max(kinds) <= flagged.frames <= sum(kinds):
        yield f"flagged.frames: {flagged.frames}, with each flag {', '.join(map(str, kinds))}"


def _class(one: "ClassFacts", classified: int) -> Iterator[str]:
    where = f"class {one.name[:40]!r}"
    yield from _share(f"{where}: share", one.share, one.count, classified)
    yield from _between(f"{where}: share", one.share_low, one.share, one.share_high)
    if (one.mean_confidence is None) != (one.count == 0) or (one.markers and not one.count):
        yield f"{where}: confidence or markers of {one.count} cells"
    if len({marker.name for marker in one.markers}) != len(one.markers):
        yield f"{where}: a marker is there twice"
    for marker in one.markers:
        named = f"{where}: {marker.name[:40]!r}"
        yield from _between(named, marker.lower_quartile, marker.median, marker.upper_quartile)
        if (marker.cell_low is None) != (marker.cell_high is None):
            yield f"{named}: an interval with one end"
        elif marker.cell_low is not None and marker.cell_high is not None:
            yield from _between(named, marker.cell_low, marker.median, marker.cell_high)


def _comparison(comparison: "Comparison", facts: "Facts") -> Iterator[str]:
    where = f"comparison with {comparison.against}"
    if comparison.obstacle is not None and (comparison.shares or comparison.markers):
        yield f"{where}: made in spite of {comparison.obstacle}"
    classes = {one.name: one for one in facts.classes}
    for share in comparison.shares:
        named = f"{where}: {share.of} {share.name[:40]!r}"
        if (now := _share_now(share, facts)) is None or not isclose(share.now, now, abs_tol=1e-9):
            yield f"{named}: {share.now:g} is no share of these facts"
        yield from _between(named, share.low, share.difference, share.high)
        yield from _verdict(named, share, share.difference, comparison.alpha)
    for marker in comparison.markers:
        named = f"{where}: {marker.class_name[:40]!r} {marker.name[:40]!r}"
        one = classes.get(marker.class_name)
        medians = {} if one is None else {known.name: known.median for known in one.markers}
        if marker.now != medians.get(marker.name):
            yield f"{named}: {marker.now} is no median of these facts"
        cells = marker.now is not None and marker.before is not None
        if cells != (marker.superiority is not None):
            yield f"{named}: superiority {marker.superiority} of {marker.now} over {marker.before}"
        direction = 0.0 if marker.superiority is None else marker.superiority - 0.5
        yield from _verdict(named, marker, direction, comparison.alpha)


def _share_now(change: "ShareChange", facts: "Facts") -> float | None:
    """The share of these facts that a change is of; None where it is of none."""
    if change.of == "rejected":
        return facts.rejected_share
    if change.of == "unusual":
        return facts.unusual_share
    return next((one.share for one in facts.classes if one.name == change.name), None)


def _verdict(
    named: str, change: "ShareChange | MarkerChange", direction: float, alpha: float
) -> Iterator[str]:
    if (change.p is None) != (change.verdict == "too_few"):
        yield f"{named}: {change.verdict} with p {change.p}"
    elif change.p is not None and (change.p <= alpha) != (change.verdict in ("up", "down")):
        yield f"{named}: {change.verdict} at p {change.p:g}, level {alpha:g}"
    elif (change.verdict == "up" and direction <= 0) or (
        change.verdict == "down" and direction >= 0
    ):
        yield f"{named}: {change.verdict} by {direction:g}"


def _share(what: str, share: float, count: int, total: int) -> Iterator[str]:
    expected = count / total if total else 0.0
    if count > total or not isclose(share, expected, rel_tol=1e-6, abs_tol=1e-9):
        yield f"{what}: {share:g}, of {count} in {total}"


def _between(what: str, low: float, value: float, high: float) -> Iterator[str]:
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    if not low - slack <= value <= high + slack:
        yield f"{what}: {value:g}, outside {low:g} to {high:g}"
