"""German phrases for the classes."""

from phenostream.engine.summary.facts import ClassFacts, Facts
from phenostream.engine.summary.plan import Plan, Slot, one_of
from phenostream.engine.summary.wording.german.words import (
    NUMBERS,
    a_cell,
    cells,
    counted,
    counted_with_share,
    share_interval,
)
from phenostream.engine.summary.wording.lists import in_any_order, in_some_order


class GermanClasses:
    """See `ClassPhrases`."""

    def composition(self, facts: Facts, *, interval: bool) -> Plan:
        """Counts and shares."""
        majority = facts.majority
        if majority is None:
            return (
                one_of(
                    "Keine Klasse hat die Mehrheit der klassifizierten Zellen",
                    "Keine Klasse stellt die Mehrheit der klassifizierten Zellen",
                    "Keine Klasse macht mehr als die Hälfte der klassifizierten Zellen aus",
                    "Unter den klassifizierten Zellen hat keine Klasse die Mehrheit",
                ),
                one_of(": ", "; es sind "),
                in_any_order(facts.classes, counted_with_share, "und"),
            )
        if majority.count == facts.classified:
            return (_all_of(majority),)
        rest = [one for one in facts.classes if one is not majority]
        return (
            _most_of(majority, interval=interval),
            one_of(", daneben ", "; daneben ", "; außerdem ", ", außerdem "),
            in_some_order(rest, counted_with_share, "und"),
        )

    def shares(self, facts: Facts) -> Plan:
        """Every class with its interval."""
        majority = facts.majority
        lead = "keine Klasse in der Mehrheit"
        if majority is not None:
            all_of_them = majority.count == facts.classified
            lead = f"{'alle' if all_of_them else 'überwiegend'} {cells(majority.name)}"
        return (
            one_of(
                f"Klassifizierte Zellen, {lead}: ",
                f"Unter den klassifizierten Zellen, {lead}: ",
                f"Die klassifizierten Zellen, {lead}: ",
            ),
            in_some_order(facts.classes, _share_with_interval, "und"),
        )

    def confidence(self, facts: Facts) -> Plan:
        """The mean confidence."""
        value = NUMBERS.percent(facts.mean_confidence or 0.0)
        doubt = "" if facts.calibrated else ", unkalibriert"
        return (
            one_of(
                f"; mittlere Sicherheit {value}{doubt}",
                f"; die mittlere Sicherheit ist {value}{doubt}",
                f", bei einer mittleren Sicherheit von {value}{doubt}",
                f", mit einer mittleren Sicherheit von {value}{doubt}",
            ),
        )

    def unusual(self, facts: Facts, *, interval: bool) -> Plan:
        """Cells unlike the training cells."""
        if not facts.unusual:
            return (
                one_of(
                    "; keine sieht anders aus als die Trainingszellen",
                    "; keine weicht von den Trainingszellen ab",
                    "; von den klassifizierten Zellen weicht keine von den Trainingszellen ab",
                ),
            )
        value = f"{NUMBERS.count(facts.unusual)} ({NUMBERS.percent(facts.unusual_share or 0.0)}"
        if interval and facts.unusual_low is not None and facts.unusual_high is not None:
            value += f"; {share_interval(facts.unusual_low, facts.unusual_high)}"
        look, differ = ("sieht", "weicht") if facts.unusual == 1 else ("sehen", "weichen")
        return (
            one_of("; "),
            one_of(f"{value})"),
            one_of(
                f" {look} anders aus als die Trainingszellen",
                f" {differ} von den Trainingszellen ab",
            ),
        )


def _all_of(one: ClassFacts) -> Slot:
    if one.count == 1:
        kind = a_cell(one.name)
        return one_of(
            f"Die einzige klassifizierte Zelle ist {kind}",
            f"Die eine klassifizierte Zelle ist {kind}",
        )
    count, many = NUMBERS.count(one.count), cells(one.name)
    return one_of(
        f"Alle {count} klassifizierten Zellen sind {many}",
        f"Sämtliche {count} klassifizierten Zellen sind {many}",
        f"Die {count} klassifizierten Zellen sind alle {many}",
    )


def _most_of(one: ClassFacts, *, interval: bool) -> Slot:
    many = cells(one.name)
    value = f"({NUMBERS.count(one.count)}, {NUMBERS.percent(one.share)}"
    value += f"; {share_interval(one.share_low, one.share_high)})" if interval else ")"
    return one_of(
        f"Die meisten klassifizierten Zellen sind {many} {value}",
        f"Die klassifizierten Zellen sind überwiegend {many} {value}",
        f"Die Mehrheit der klassifizierten Zellen sind {many} {value}",
        f"Mehr als die Hälfte der klassifizierten Zellen sind {many} {value}",
        f"Unter den klassifizierten Zellen überwiegen {many} {value}",
    )


def _share_with_interval(one: ClassFacts) -> str:
    if not one.count:
        return f"keine {cells(one.name)}"
    share = f"{NUMBERS.percent(one.share)}; {share_interval(one.share_low, one.share_high)}"
    return f"{counted(one)} ({share})"
