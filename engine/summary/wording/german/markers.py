"""German phrases for the markers."""

from collections.abc import Sequence

from phenostream.engine.summary.facts import ClassFacts, Facts, MarkerFacts
from phenostream.engine.summary.plan import Plan, one_of
from phenostream.engine.summary.wording.german.words import NUMBERS, counted, marker, unit
from phenostream.engine.summary.wording.lists import joined


class GermanMarkers:
    """See `MarkerPhrases`."""

    def medians(self, facts: Facts, one: ClassFacts, markers: Sequence[MarkerFacts]) -> Plan:
        """Medians alone."""
        values = [(one_of(f"{marker(m.name)} {NUMBERS.value(m.median)}"),) for m in markers]
        return (
            one_of(
                f"Geschätzte Mediane ({counted(one)}): ",
                f"Mediane Schätzwerte ({counted(one)}): ",
                f"Mediane der Schätzwerte ({counted(one)}): ",
                f"Im Median geschätzt ({counted(one)}): ",
            ),
            *joined(values, "und"),
            one_of(f" (Einheit: {unit(facts.marker_unit)})"),
        )

    def estimates(self, facts: Facts, one: ClassFacts) -> Plan:
        """Medians, the interval of one cell, percentiles."""
        interval = "ohne Intervall, denn dieses Modell hat keines"
        if facts.interval_coverage is not None:
            nominal = NUMBERS.nominal(facts.interval_coverage).replace(" %", "-%")
            interval = f"mit dem nominellen {nominal}-Intervall einer einzelnen solchen Zelle"
        return (
            one_of(
                f"Geschätzte Mediane ({counted(one)}), {interval}",
                f"Mediane Schätzwerte ({counted(one)}), {interval}",
                f"Mediane der Schätzwerte ({counted(one)}), {interval}",
            ),
            one_of(f" (Einheit: {unit(facts.marker_unit)}): "),
            one_of("; ".join(map(_estimate, one.markers))),
        )


def _estimate(one: MarkerFacts) -> str:
    more = []
    if one.cell_low is not None and one.cell_high is not None:
        more.append(f"{NUMBERS.value(one.cell_low)} bis {NUMBERS.value(one.cell_high)}")
    if one.run_percentile is not None:
        more.append(f"Perzentil {NUMBERS.rank(one.run_percentile)} des Laufs davor")
    if one.reference_percentile is not None:
        more.append(f"Perzentil {NUMBERS.rank(one.reference_percentile)} der Referenz")
    value = f"{marker(one.name)} {NUMBERS.value(one.median)}"
    return f"{value} ({'; '.join(more)})" if more else value
