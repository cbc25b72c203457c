"""The words of a summary: languages and styles, each in one visible table."""

from collections.abc import Callable, Mapping
from typing import Final, Literal, get_args

from phenostream.engine.errors import BadConfig
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import Plan
from phenostream.engine.summary.wording.english import ENGLISH
from phenostream.engine.summary.wording.german import GERMAN
from phenostream.engine.summary.wording.language import Language
from phenostream.engine.summary.wording.names import with_shown_names
from phenostream.engine.summary.wording.styles import bedside, lab, line

Style = Literal["bedside", "lab", "line"]
STYLES: Final[tuple[Style, ...]] = get_args(Style)
LANGUAGES: Final[Mapping[str, Language]] = {"en": ENGLISH, "de": GERMAN}
"""By ISO 639-1 code."""
_STYLES: Final[Mapping[Style, Callable[[Facts, Language], Plan]]] = {
    "bedside": bedside,
    "lab": lab,
    "line": line,
}


def plan_of(facts: Facts, style: Style = "bedside", language: str = "en") -> Plan:
    """Every text that says these facts in a style and a language; the first of them is the template's.

    Raises:
        BadConfig: No such style or language.
    """
    if style not in _STYLES:
        raise BadConfig(f"style: {style!r}, allowed {', '.join(STYLES)}")
    if language not in LANGUAGES:
        raise BadConfig(f"language: {language!r}, allowed {', '.join(LANGUAGES)}")
    return _STYLES[style](with_shown_names(facts), LANGUAGES[language])
