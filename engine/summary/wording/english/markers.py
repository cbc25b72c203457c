"""English phrases for the markers."""

from collections.abc import Sequence

from phenostream.engine.summary.facts import ClassFacts, Facts, MarkerFacts
from phenostream.engine.summary.plan import Plan, one_of
from phenostream.engine.summary.wording.english.words import NUMBERS, counted, marker, unit
from phenostream.engine.summary.wording.lists import joined


class EnglishMarkers:
    """See `MarkerPhrases`."""

    def medians(self, facts: Facts, one: ClassFacts, markers: Sequence[MarkerFacts]) -> Plan:
        """Medians alone."""
        cells = f"the {counted(one)}"
        values = [(one_of(f"{marker(m.name)} {NUMBERS.value(m.median)}"),) for m in markers]
        return (
            one_of(
                f"Median estimates of {cells}: ",
                f"The median estimates of {cells} are ",
                f"In {cells}, the median estimates are ",
                f"For {cells}, the median estimates are ",
            ),
            *joined(values, "and"),
            one_of(f" (unit: {unit(facts.marker_unit)})"),
        )

    def estimates(self, facts: Facts, one: ClassFacts) -> Plan:
        """Medians, the interval of one cell, percentiles."""
        cells = f"the {counted(one)}"
        interval = (
            "without an interval, for this model has none"
            if facts.interval_coverage is None
            else f"with the nominal {NUMBERS.nominal(facts.interval_coverage)} interval "
            "of a single such cell"
        )
        return (
            one_of(
                f"Estimated median signal of {cells}, {interval}",
                f"Median estimates of {cells}, {interval}",
                f"The median estimates of {cells}, {interval}",
            ),
            one_of(f" (unit: {unit(facts.marker_unit)}): "),
            one_of("; ".join(map(_estimate, one.markers))),
        )


def _estimate(one: MarkerFacts) -> str:
    more = []
    if one.cell_low is not None and one.cell_high is not None:
        more.append(f"{NUMBERS.value(one.cell_low)} to {NUMBERS.value(one.cell_high)}")
    if one.run_percentile is not None:
        more.append(f"percentile {NUMBERS.rank(one.run_percentile)} of the run before")
    if one.reference_percentile is not None:
        more.append(f"percentile {NUMBERS.rank(one.reference_percentile)} of the reference")
    value = f"{marker(one.name)} {NUMBERS.value(one.median)}"
    return f"{value} ({'; '.join(more)})" if more else value
