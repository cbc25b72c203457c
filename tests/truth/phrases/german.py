"""The claims of a German text: other words, the same look into the facts."""

import re
from typing import Final

from tests.truth.context import Context, Phrase, phrase
from tests.truth.phrases import caveats, cells, changes, classes, frames, markers
from tests.truth.phrases.changes import GERMAN_UP

_FOUND: Final = "of cells: that they were found"
_CLASSIFIED: Final = "(?:klassifiziert|in eine klasse eingeordnet|einer klasse zugeordnet|einer der klassen zugeteilt)"
_FATES: Final = {
    "classified": _CLASSIFIED,
    "rejected": "(?:als keine weiße zelle (?:verworfen|aussortiert)|nicht als weiße zelle anerkannt)",
    "edge": "(?:am bildrand|am rand eines bildes)",
    "over_limit": "(?:über|jenseits) der grenze je bild",
    "failed": "(?:durch einen fehler der inferenz verloren|ohne werte wegen eines inferenzfehlers)",
}
_FRAME_FATES: Final = {
    "dropped": "ausgelassen",
    "quarantined": "in quarantäne",
    "failed": "gescheitert",
    "missing": "nie angekommen",
}
_FLAGS: Final = {
    "dark": "dunkel",
    "saturated": "gesättigt",
    "noisy": "verrauscht",
    "undersampled": "zu grob abgetastet",
    "residual_high": "mit licht , das sich nicht addiert",
    "misoriented": "mit aufnahmen , die nicht sind , was sie heißen",
}
_SCOPES: Final = {
    "window": "ein fenster",
    "run": "den ganzen lauf",
    "part": "den teil eines laufs , den ein modell sah",
}
_OTHER: Final = r"(?:dem vorigen fenster|der referenz ‹r\d+›(?: \( simulierte zellen \))?)"
_DOWN: Final = "sank|fiel|verringerte|niedriger|kleiner"
_WAY: Final = f"(?P<way>{GERMAN_UP}|{_DOWN})"
_SHARE_OF_REJECTED: Final = "der verworfene anteil"
_SHARE_OF_UNUSUAL: Final = "der anteil der zellen , die den trainingszellen nicht gleichen ,"
_TO: Final = "von <p:before> auf <p:now>"
_AGAINST: Final = r"\( <p:now> gegen <p:before>"
_WHILE: Final = r"tendenziell (?P<way>höher|niedriger)(?: aus)? \( median <n:now> , (?P<then>davor|dort) <n:before>"
_INTERVAL: Final = "<p:level> intervall <p:low> bis <p:high>"
_UNLIKE: Final = "(?:anders aus als die|von den) trainingszellen(?: ab)?"
_DO_SO: Final = "(?:sehen|sieht|weichen|weicht)"
_UNTOLD: Final = (
    "(?:dieses modell sagt nicht|das modell lässt offen|dieses modell kann nicht sagen)"
)
_NO_CELL: Final = "ob eine zelle überhaupt eine weiße zelle ist"
_NO_LIKENESS: Final = "ob sie den trainingszellen gleicht"
_TESTS: Final = "<n:n> tests? zusammen"
_SPREAD: Final = (
    "; (?:eine änderung muss sich auch von der streuung zwischen bildern abheben|"
    "was änderung heißt , hebt sich auch von der streuung zwischen bildern ab)"
    " ; (?:intervalle von anteilen nehmen zellen als unabhängig an|"
    "für intervalle von anteilen gelten zellen als unabhängig) , was die eines bildes nicht ganz sind"
)
_NONE_KNOWN: Final = (
    "(?:ist keine änderung zu erkennen|zeigt sich keine änderung|war keine änderung nachzuweisen)"
)
_MEDIANS: Final = (
    "geschätzte mediane|mediane der schätzwerte|mediane schätzwerte|im median geschätzt"
)


def _found(context: Context, match: re.Match[str]) -> bool:
    """How many cells were found; that they were may come later."""
    context.open.append(_FOUND)
    return context.count(match, "n", context.facts.found)


def _they_were_found(context: Context, _: re.Match[str]) -> bool:
    if _FOUND not in context.open:
        return False
    context.open.remove(_FOUND)
    return True


def _counted(name: str, pattern: str, of: str) -> Phrase:
    """A number and its fate; `of` is where the facts have it."""

    def is_true(context: Context, match: re.Match[str]) -> bool:
        owner = {
            "cells": context.facts,
            "frames": context.facts.account,
            "flags": context.facts.flagged,
        }[of]
        return owner is not None and context.count(match, "n", getattr(owner, name))

    return phrase(f"{of} {name}", f"<n:n> {pattern}", is_true)


PHRASES: Final = (
    # frames
    phrase("frames", "<n:n> bild(?:er|ern)?", frames._frames),
    phrase(
        "frames of those announced",
        "<n:n> von <n:all> angekündigten sind in dieser zusammenfassung",
        frames._of_announced,
    ),
    phrase("frames of another model", "<n:n> von einem anderen modell gesehen", frames._others),
    phrase(
        "frames of another model",
        "<n:n> weiteres? des laufs sah ein anderes modell",
        frames._others,
    ),
    phrase(
        "frames flagged",
        "<n:n> bild(?:er)? wurden? (?:von physikalischen prüfungen )?beanstandet",
        frames._flagged,
    ),
    phrase(
        "frames flagged", "physikalische prüfungen beanstandeten <n:n> bild(?:er)?", frames._flagged
    ),
    *(_counted(name, words, "frames") for name, words in _FRAME_FATES.items()),
    *(_counted(name, words, "flags") for name, words in _FLAGS.items()),
    # cells
    phrase("cells found", "<n:n> zellen? wurden?", _found),
    phrase("cells found", "wurden? <n:n> zellen?", _found),
    phrase("they were found", "(?:gefunden|entdeckt|gewonnen)", _they_were_found),
    phrase("no cells found", "wurden keine zellen (?:gefunden|entdeckt)", cells._none_found),
    phrase("no cells found", "gab es keine zellen", cells._none_found),
    phrase("no cells found", "waren keine zellen zu finden", cells._none_found),
    *(_counted(name, words, "cells") for name, words in _FATES.items()),
    phrase(
        "cells classified of those found",
        "(?:wurden? )?<n:n> von (?:insgesamt )?<n:all> zellen?",
        cells._of_found,
    ),
    phrase("they were classified", f"(?:wurden? )?{_CLASSIFIED}", cells._they_were_classified),
    phrase(
        "cells unlike the training cells", rf"<n:n> \( <p:p> \) {_DO_SO} {_UNLIKE}", cells._unusual
    ),
    phrase(
        "cells unlike the training cells", rf"{_DO_SO} <n:n> \( <p:p> \) {_UNLIKE}", cells._unusual
    ),
    phrase(
        "cells unlike the training cells",
        rf"<n:n> \( <p:p> ; {_INTERVAL} \) {_DO_SO} {_UNLIKE}",
        cells._unusual_interval,
    ),
    phrase(
        "cells unlike the training cells",
        rf"{_DO_SO} <n:n> \( <p:p> ; {_INTERVAL} \) {_UNLIKE}",
        cells._unusual_interval,
    ),
    phrase("no cell unlike the training cells", f"keine {_DO_SO} {_UNLIKE}", cells._none_unusual),
    phrase("no cell unlike the training cells", f"{_DO_SO} keine {_UNLIKE}", cells._none_unusual),
    phrase(
        "reject rate",
        f"(?:von|unter) <n:n> beurteilten zellen? ist {_SHARE_OF_REJECTED} <p:p>",
        cells._reject_rate,
    ),
    phrase(
        "reject rate",
        "verworfener anteil von <n:n> beurteilten zellen? : <p:p>",
        cells._reject_rate,
    ),
    phrase("mean confidence", "mittleren? sicherheit (?:von |ist )?<p:p>", cells._confidence),
    phrase("uncalibrated", "unkalibriert", cells._uncalibrated),
    # classes
    phrase("cells of a class", "<n:n> <c:c>", classes._count),
    phrase("cells and share of a class", r"<n:n> <c:c> \( <p:p>", classes._count_and_share),
    phrase("a class", r"<c:c>(?= \( <n:n> , <p:p>)", classes._class),
    phrase("cells and share of the class", r"\( <n:n> , <p:p>", classes._its_count_and_share),
    phrase("no cell of a class", "keine <c:c>", classes._none),
    phrase(
        "what is spoken of",
        "(?:(?:von|unter) den |die )?klassifizierten? zellen",
        classes._said_only,
    ),
    phrase("majority", "überwiegend <c:c>", classes._majority),
    phrase("majority", "die meisten klassifizierten zellen sind <c:c>", classes._majority),
    phrase(
        "majority",
        "(?:die mehrheit|mehr als die hälfte) der klassifizierten zellen sind <c:c>",
        classes._majority,
    ),
    phrase("majority", "unter den klassifizierten zellen überwiegen <c:c>", classes._majority),
    phrase(
        "no majority",
        "keine klasse (?:hat|stellt) die mehrheit(?: der klassifizierten zellen)?",
        classes._no_majority,
    ),
    phrase(
        "no majority",
        "keine klasse macht mehr als die hälfte der klassifizierten zellen aus",
        classes._no_majority,
    ),
    phrase("no majority", "(?:hat )?keine klasse (?:in der|die) mehrheit", classes._no_majority),
    phrase(
        "the only cell",
        "die (?:einzige|eine) klassifizierte zelle ist eine? <c:c>",
        classes._the_only_one,
    ),
    phrase(
        "all of one class",
        "(?:alle|sämtliche) <n:n> klassifizierten zellen sind <c:c>",
        classes._all_of_one,
    ),
    phrase(
        "all of one class", "die <n:n> klassifizierten zellen sind alle <c:c>", classes._all_of_one
    ),
    phrase("all of one class", "alle <c:c>", classes._all_are),
    phrase("interval of a share", _INTERVAL, classes._interval),
    # markers
    phrase("class of the medians", rf"(?:{_MEDIANS}) \( <n:n> <c:c> \)", markers._medians),
    phrase("median", "<m:m> <n:n>", markers._median),
    phrase("interval of a cell", r"\( <n:low> bis <n:high>", markers._cell_interval),
    phrase(
        "percentile in the run", r"(?:\( )?perzentil <n:n> des laufs davor", markers._in_the_run
    ),
    phrase(
        "percentile in the reference",
        r"(?:\( )?perzentil <n:n> der referenz",
        markers._in_the_reference,
    ),
    phrase(
        "coverage",
        "mit dem nominellen <p:p> intervall einer einzelnen solchen zelle",
        markers._coverage,
    ),
    phrase("no interval", "ohne intervall , denn dieses modell hat keines", markers._no_interval),
    phrase("unit", r"\( (?:einheit :|in) ‹u› \)", markers._unit),
    # changes
    phrase(
        "what is compared with",
        f"(?:(?:im vergleich|verglichen) mit|gegenüber) {_OTHER}",
        changes._take_other,
    ),
    phrase(
        "size of what is compared with",
        r"\( <n:n> klassifizierte in <n:frames> bild(?:ern)? \)",
        changes._its_size,
    ),
    phrase("a class moved", rf"{_WAY}(?: sich)? der anteil der <c:c> {_TO}", changes._class_moved),
    phrase(
        "a class moved", rf"(?:ist )?der anteil der <c:c> {_WAY} {_AGAINST}", changes._class_moved
    ),
    phrase(
        "rejection moved", rf"{_WAY}(?: sich)? {_SHARE_OF_REJECTED} {_TO}", changes._rejected_moved
    ),
    phrase(
        "rejection moved",
        rf"(?:ist )?{_SHARE_OF_REJECTED} {_WAY} {_AGAINST}",
        changes._rejected_moved,
    ),
    phrase(
        "unlikeness moved", rf"{_WAY}(?: sich)? {_SHARE_OF_UNUSUAL} {_TO}", changes._unusual_moved
    ),
    phrase(
        "unlikeness moved",
        rf"(?:ist )?{_SHARE_OF_UNUSUAL} {_WAY} {_AGAINST}",
        changes._unusual_moved,
    ),
    phrase(
        "a marker moved", rf"(?:ist|liegt|fällt) <m:m> in <c:c> {_WHILE}", changes._marker_moved
    ),
    phrase(
        "difference",
        r"\( differenz <n:n> punkte , <p:level> intervall <n:low> bis <n:high> punkte",
        changes._difference,
    ),
    phrase(
        "difference",
        "differenz <n:n> punkte , <p:level> intervall <n:low> bis <n:high> punkte",
        changes._difference,
    ),
    phrase("adjusted p", "angepasstes p <n:n>", changes._p),
    phrase("adjusted p", "angepasstes p unter <n:n>", changes._p_below),
    phrase("superiority", "wahrscheinlichkeit eines größeren werts <n:n>", changes._superiority),
    phrase("no change", f"(?:{_NONE_KNOWN}|zeigen die tests keine änderung)", changes._no_change),
    phrase(
        "no change in so many",
        "ist in <n:n> geprüften größen? keine änderung zu erkennen",
        changes._unclear,
    ),
    phrase(
        "no change in so many",
        "zeigt sich in <n:n> geprüften größen? keine änderung",
        changes._unclear,
    ),
    phrase(
        "no change in so many",
        "war in <n:n> geprüften größen? keine änderung nachzuweisen",
        changes._unclear,
    ),
    phrase(
        "too few cells for so many",
        "(?:reichen die zellen nicht|sind es zu wenige zellen) , um <n:n> größen? zu prüfen",
        changes._too_few,
    ),
    phrase(
        "too few cells for any",
        f"für einen vergleich mit {_OTHER} (?:(?:gibt|sind) es zu wenige zellen|reichen die zellen nicht)",
        changes._too_few_for_any,
    ),
    phrase(
        "no cells to compare",
        f"mit {_OTHER} wird nicht verglichen : keine zellen",
        changes._obstacle("no cells"),
    ),
    phrase(
        "no cells to compare",
        f"ein vergleich mit {_OTHER} entfällt : keine zellen",
        changes._obstacle("no cells"),
    ),
    phrase(
        "another model's", f"mit {_OTHER} wird nicht verglichen : anderes modell", changes._foreign
    ),
    phrase(
        "another model's", f"ein vergleich mit {_OTHER} entfällt : anderes modell", changes._foreign
    ),
    phrase("further changes", "<n:n> weitere änderung(?:en)?", changes._further),
    phrase(
        "level",
        rf"eine änderung heißt so auf einem niveau von <p:p> über {_TESTS} \( holm \) {_SPREAD}",
        changes._tests,
    ),
    phrase(
        "level",
        rf"änderungen gelten auf einem niveau von <p:p> über {_TESTS} \( holm \) {_SPREAD}",
        changes._tests,
    ),
    phrase("level", rf"das niveau von {_TESTS} ist <p:p> \( holm \) {_SPREAD}", changes._tests),
    # what a summary says of itself
    phrase(caveats.RESEARCH_ONLY, "nur für die forschung , keine diagnose", caveats._always),
    phrase(
        caveats.SYNTHETIC,
        "synthetisch : von simulierten zellen oder einem daran trainierten modell",
        caveats._synthetic,
    ),
    *(
        phrase(
            "what it is of",
            rf"(?:dies beschreibt|diese sätze beschreiben|die angaben betreffen) {words}"
            r"(?: \( (?P<below>unter )?<n:n> s \))?",
            caveats._of_what(scope),
        )
        for scope, words in _SCOPES.items()
    ),
    phrase("which run", "lauf ‹run›", caveats._always),
    phrase("which instrument", "instrument ‹instrument›", caveats._always),
    phrase("which model", "modell ‹model›", caveats._always),
    phrase("cannot reject", f"{_UNTOLD} , {_NO_CELL}", caveats._cannot_reject),
    phrase("cannot score", f"{_UNTOLD} , {_NO_LIKENESS}", caveats._cannot_score),
    phrase("cannot tell", f"{_UNTOLD} , {_NO_CELL} oder {_NO_LIKENESS}", caveats._neither),
)
