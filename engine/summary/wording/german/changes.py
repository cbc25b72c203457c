"""German phrases for one population against another.

The opener takes the first place of the sentence, so that every change begins with its verb. A marker's verdict is about
the whole of its values, not about their medians: it tends higher, it does not rise from one median to another.
"""

from collections.abc import Sequence
from typing import Final

from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange
from phenostream.engine.summary.drifted import DriftFacts
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import Plan, Slot, one_of
from phenostream.engine.summary.wording.changed import changed, told_of
from phenostream.engine.summary.wording.german.words import (
    NUMBERS,
    cells,
    frames,
    marker,
    number_of,
    quoted,
)
from phenostream.engine.summary.wording.lists import joined

_SUBJECTS: Final = {
    "rejected": "der verworfene Anteil",
    "unusual": "der Anteil der Zellen, die den Trainingszellen nicht gleichen,",
}

_DRIFTED_FROM: Final = {
    "training": "der Trainingspopulation",
    "previous_run": "dem vorigen Lauf",
    "reference": "der Drift-Referenz",
}


class GermanChanges:
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
            items = [(_direction(comparison, one), _values(comparison, one)) for one in told]
            return (_opener(other), *joined(items, "und"), *_further(more))
        if told_of(comparison, "unclear"):
            return (
                _opener(other),
                one_of(
                    "ist keine Änderung zu erkennen",
                    "zeigt sich keine Änderung",
                    "zeigen die Tests keine Änderung",
                    "war keine Änderung nachzuweisen",
                ),
            )
        return (
            one_of(
                f"Für einen Vergleich mit {other} gibt es zu wenige Zellen",
                f"Für einen Vergleich mit {other} sind es zu wenige Zellen",
                f"Für einen Vergleich mit {other} reichen die Zellen nicht",
            ),
        )

    def full(self, facts: Facts, comparison: Comparison) -> Plan:
        """All of them."""
        other = _other(facts, comparison)
        if comparison.obstacle is not None:
            return (_obstacle(comparison, other),)
        there = f"{NUMBERS.count(comparison.classified)} klassifizierte in "
        there += frames(comparison.frames)
        slots: list[Slot] = [_opener(f"{other} ({there})")]
        for place, one in enumerate(changed(comparison)):
            slots += [one_of("; ")] if place else []
            slots += [_direction(comparison, one), _values(comparison, one, tested=True)]
        more = [one for one in (_unclear(comparison), _too_few(comparison)) if one is not None]
        for place, slot in enumerate(more):
            slots += [one_of("; ")] if place or len(slots) > 1 else []
            slots.append(slot)
        return tuple(slots)

    def reservation(self, comparison: Comparison) -> Plan:
        """What the tests assume."""
        tests = number_of(comparison.tests, "Test", "Tests")
        level = NUMBERS.nominal(comparison.alpha)
        return (
            one_of(
                f"Änderungen gelten auf einem Niveau von {level} über {tests} zusammen (Holm)",
                f"Das Niveau von {tests} zusammen ist {level} (Holm)",
                f"Eine Änderung heißt so auf einem Niveau von {level} über {tests} zusammen (Holm)",
            ),
            one_of(
                "; eine Änderung muss sich auch von der Streuung zwischen Bildern abheben",
                "; was Änderung heißt, hebt sich auch von der Streuung zwischen Bildern ab",
            ),
            one_of(
                "; Intervalle von Anteilen nehmen Zellen als unabhängig an, was die eines Bildes nicht ganz sind",
                "; für Intervalle von Anteilen gelten Zellen als unabhängig, was die eines Bildes nicht ganz sind",
            ),
        )

    def drift(self, drift: DriftFacts) -> Plan:
        """Of what is watched, what has drifted."""
        watched = number_of(drift.tested, "überwachten Größe", "überwachten Größen")
        away, count = f"von {_DRIFTED_FROM[drift.against]} abgedriftet", NUMBERS.count(drift.beyond)
        if not drift.beyond:
            far = f"erkennbar {away}"
            return (one_of(f"Keine von {watched} ist {far}", f"Von {watched} ist keine {far}"),)
        be = "ist" if drift.beyond == 1 else "sind"
        return (one_of(f"{count} von {watched} {be} {away}", f"Von {watched} {be} {count} {away}"),)


def _other(facts: Facts, comparison: Comparison) -> str:
    """The other population in the dative, marked where it alone is simulated."""
    marked = " (simulierte Zellen)" if comparison.synthetic and not facts.source_synthetic else ""
    if comparison.against == "previous":
        return f"dem vorigen Fenster{marked}"
    return f"der Referenz {quoted(comparison.name)}{marked}"


def _opener(other: str) -> Slot:
    return one_of(f"Verglichen mit {other} ", f"Im Vergleich mit {other} ", f"Gegenüber {other} ")


def _obstacle(comparison: Comparison, other: str) -> Slot:
    why = "anderes Modell" if comparison.obstacle == "another model" else "keine Zellen"
    return one_of(
        f"Ein Vergleich mit {other} entfällt: {why}",
        f"Mit {other} wird nicht verglichen: {why}",
    )


def _direction(comparison: Comparison, one: ShareChange | MarkerChange) -> Slot:
    up = one.verdict == "up"
    if isinstance(one, MarkerChange):
        way = "höher" if up else "niedriger"
        of = f"{marker(one.name)} in {cells(one.class_name)} tendenziell {way}"
        return one_of(f"ist {of}", f"liegt {of}", f"fällt {of} aus")
    subject = _SUBJECTS.get(one.of, f"der Anteil der {cells(one.name)}")
    if comparison.against == "previous":
        verbs = ("stieg", "erhöhte sich", "wuchs") if up else ("sank", "verringerte sich", "fiel")
        return one_of(*(f"{verb} {subject}" for verb in verbs))
    ways = ("höher", "größer") if up else ("niedriger", "kleiner")
    return one_of(*(f"ist {subject} {way}" for way in ways))


def _values(
    comparison: Comparison, one: ShareChange | MarkerChange, *, tested: bool = False
) -> Slot:
    p = f"angepasstes p {NUMBERS.p(one.p)}" if one.p is not None else ""
    previous = comparison.against == "previous"
    if isinstance(one, MarkerChange):
        there = "davor" if previous else "dort"
        values = f"Median {_median(one.now)}, {there} {_median(one.before)}"
        if tested and one.superiority is not None:
            superiority = NUMBERS.superiority(one.superiority)
            values += f"; Wahrscheinlichkeit eines größeren Werts {superiority}; {p}"
        return one_of(f" ({values})")
    before, now = NUMBERS.percents(one.before, one.now)
    told = f" von {before} auf {now}" if previous else f" ({now} gegen {before})"
    if not tested:
        return one_of(told)
    difference, low, high = map(NUMBERS.points, (one.difference, one.low, one.high))
    interval = f"Differenz {difference} Punkte, 95-%-Intervall {low} bis {high} Punkte"
    told = f"{told} (" if previous else f"{told[:-1]}; "
    return one_of(f"{told}{interval}; {p})")


def _unclear(comparison: Comparison) -> Slot | None:
    count = len(told_of(comparison, "unclear"))
    if not count:
        return None
    rest = number_of(count, "geprüften Größe", "geprüften Größen")
    return one_of(
        f"zeigt sich in {rest} keine Änderung",
        f"ist in {rest} keine Änderung zu erkennen",
        f"war in {rest} keine Änderung nachzuweisen",
    )


def _too_few(comparison: Comparison) -> Slot | None:
    count = len(told_of(comparison, "too_few"))
    if not count and comparison.changes:
        return None
    rest = number_of(count, "Größe", "Größen") if count else "irgendeine Größe"
    return one_of(
        f"reichen die Zellen nicht, um {rest} zu prüfen",
        f"sind es zu wenige Zellen, um {rest} zu prüfen",
    )


def _median(value: float | None) -> str:
    return "unbekannt" if value is None else NUMBERS.value(value)


def _further(more: int) -> Plan:
    if not more:
        return ()
    told = number_of(more, "weitere Änderung", "weitere Änderungen")
    return (one_of(f", dazu {told}", f", außerdem {told}", f", daneben {told}"),)
