"""German phrases for frames and cells."""

from dataclasses import asdict
from typing import Final

from phenostream.engine.summary.facts import Facts, FrameAccount
from phenostream.engine.summary.plan import Plan, one_of
from phenostream.engine.summary.wording.german.words import (
    NUMBERS,
    both,
    counted_with_share,
    frames,
    number_of,
    quoted,
    share_interval,
    were,
)
from phenostream.engine.summary.wording.lists import in_any_order, joined, listed

_FLAGS: Final = {
    "dark": "dunkel",
    "saturated": "gesättigt",
    "noisy": "verrauscht",
    "undersampled": "zu grob abgetastet",
    "residual_high": "mit Licht, das sich nicht addiert",
    "misoriented": "mit Aufnahmen, die nicht sind, was sie heißen",
}
_FATES: Final = {
    "dropped": "ausgelassen",
    "quarantined": "in Quarantäne",
    "failed": "gescheitert",
    "missing": "nie angekommen",
}
_SCOPES: Final = {
    "window": "ein Fenster",
    "part": "den Teil eines Laufs, den ein Modell sah",
    "run": "den ganzen Lauf",
}


class GermanCells:
    """See `CellPhrases`."""

    def found(self, facts: Facts) -> Plan:
        """Cells, frames and fates."""
        where = f"{frames(facts.frames)}{_left_out(facts)}"
        if not facts.found:
            return (
                one_of(
                    f"In {where} wurden keine Zellen gefunden",
                    f"In {where} wurden keine Zellen entdeckt",
                    f"In {where} gab es keine Zellen",
                    f"In {where} waren keine Zellen zu finden",
                ),
            )
        cells, be = number_of(facts.found, "Zelle", "Zellen"), were(facts.found)
        return (
            one_of(f"In {where} {be} {cells}", f"{cells} {be} in {where}"),
            one_of(" gefunden", " entdeckt"),
            one_of(": ", ", davon ", "; davon "),
            *joined(_fates(facts), "und"),
        )

    def flagged(self, facts: Facts, *, kinds: bool) -> Plan:
        """Frames that a physics check speaks against."""
        flags = asdict(facts.flagged)
        said = [
            f"{NUMBERS.count(count)} {_FLAGS.get(kind, kind)}"
            for kind, count in flags.items()
            if kind != "frames" and count
        ]
        count = facts.flagged.frames
        these = number_of(count, "Bild", "Bilder")
        head = one_of(
            f"; {these} {were(count)} beanstandet",
            f"; {these} {were(count)} von physikalischen Prüfungen beanstandet",
            f"; physikalische Prüfungen beanstandeten {these}",
        )
        return (head, one_of(f": {both(said)}")) if kinds else (head,)

    def line(self, facts: Facts) -> Plan:
        """The classified cells of all found."""
        if not facts.found:
            return self.found(facts)
        where = f"{frames(facts.frames)}{_left_out(facts)}"
        found = number_of(facts.found, "Zelle", "Zellen")
        cells, be = f"{NUMBERS.count(facts.classified)} von {found}", were(facts.classified)
        head = (
            one_of(
                *(f"{cells} {place} {where} {be}" for place in ("in", "aus")),
                *(f"{place} {where} {be} {cells}" for place in ("In", "Aus")),
            ),
            one_of(
                " klassifiziert",
                " einer Klasse zugeordnet",
                " in eine Klasse eingeordnet",
                " einer der Klassen zugeteilt",
            ),
        )
        if not facts.classified or not facts.classes:
            return head
        classes = in_any_order(facts.classes, counted_with_share, "und")
        return *head, one_of(": ", ", nämlich ", ", das heißt "), classes

    def reject_rate(self, facts: Facts) -> Plan:
        """The rejected share with its interval."""
        judged = facts.classified + facts.rejected
        seen = f"{NUMBERS.count(judged)} beurteilten {'Zelle' if judged == 1 else 'Zellen'}"
        return (
            one_of(
                f"Von {seen} ist der verworfene Anteil ",
                f"Verworfener Anteil von {seen}: ",
                f"Unter {seen} ist der verworfene Anteil ",
            ),
            one_of(
                f"{NUMBERS.percent(facts.rejected_share)} "
                f"({share_interval(facts.rejected_low, facts.rejected_high)})"
            ),
        )

    def unchecked(self, facts: Facts, *, briefly: bool = False) -> Plan:
        """What the model cannot tell."""
        unsaid = [] if facts.rejects else ["ob eine Zelle überhaupt eine weiße Zelle ist"]
        if facts.unusual is None and not briefly:
            unsaid.append("ob sie den Trainingszellen gleicht")
        return (
            one_of(
                "Dieses Modell sagt nicht, ",
                "Dieses Modell kann nicht sagen, ",
                "Das Modell lässt offen, ",
            ),
            one_of(listed(unsaid, "oder")),
        )

    def origin(self, facts: Facts) -> Plan:
        """Scope, run, instrument and model."""
        words = _SCOPES[facts.scope]
        if facts.duration_s is not None:
            words += f" ({NUMBERS.seconds(facts.duration_s)})"
        if facts.run:
            words += f", Lauf {quoted(facts.run)}"
        if facts.instrument:
            words += f", Instrument {quoted(facts.instrument)}"
        return (
            one_of("Dies beschreibt ", "Die Angaben betreffen ", "Diese Sätze beschreiben "),
            one_of(f"{words}, Modell {quoted(facts.model)}"),
        )

    def caveat(self, facts: Facts) -> Plan:
        """What is synthetic; research, no diagnosis."""
        synthetic = "Synthetisch: von simulierten Zellen oder einem daran trainierten Modell. "
        research = "Nur für die Forschung, keine Diagnose."
        return (one_of(f"{synthetic if facts.synthetic else ''}{research}"),)


def _fates(facts: Facts) -> list[Plan]:
    """What became of the cells, no fate left out; the classified ones also where there are none."""
    told = (
        (
            facts.classified,
            ("klassifiziert", "einer Klasse zugeordnet", "in eine Klasse eingeordnet"),
        ),
        (
            facts.rejected,
            (
                "als keine weiße Zelle verworfen",
                "als keine weiße Zelle aussortiert",
                "nicht als weiße Zelle anerkannt",
            ),
        ),
        (facts.edge, ("am Bildrand", "am Rand eines Bildes")),
        (facts.over_limit, ("über der Grenze je Bild", "jenseits der Grenze je Bild")),
        (
            facts.failed,
            ("durch einen Fehler der Inferenz verloren", "ohne Werte wegen eines Inferenzfehlers"),
        ),
    )
    return [
        (one_of(*(f"{NUMBERS.count(count)} {words}" for words in said)),)
        for place, (count, said) in enumerate(told)
        if count or not place
    ]


def _left_out(facts: Facts) -> str:
    """What a reader must know before the first count: some frames are not in it."""
    account, others = facts.account, facts.by_other_models
    if account is None or account.published == account.announced:
        more = "weiteres" if others == 1 else "weitere"
        seen = f"{NUMBERS.count(others)} {more} des Laufs sah ein anderes Modell"
        return f" ({seen})" if others else ""
    return f" ({_lost(account, others)})"


def _lost(account: FrameAccount, others: int) -> str:
    counts = [(getattr(account, fate), words) for fate, words in _FATES.items()]
    counts.append((others, "von einem anderen Modell gesehen"))
    said = [f"{NUMBERS.count(count)} {words}" for count, words in counts if count]
    here, announced = NUMBERS.count(account.published - others), NUMBERS.count(account.announced)
    whole = f"{here} von {announced} angekündigten sind in dieser Zusammenfassung"
    return f"{whole}: {both(said)}" if said else whole
