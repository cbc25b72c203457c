"""All the ways to claim something that the readers know, by language and by what is claimed."""

from dataclasses import dataclass
from typing import Final

from tests.truth.context import Phrase
from tests.truth.phrases import caveats, cells, changes, classes, drift, frames, german, markers
from tests.truth.tongues import ENGLISH, GERMAN, Tongue


@dataclass(frozen=True, slots=True)
class Reader:
    """One language.

    Attributes:
        tongue: How names and numbers are written.
        phrases: That claim something.
        empty: Words that claim nothing by themselves: no number, no negation, no quantity, no direction, no adjective.
    """

    tongue: Tongue
    phrases: tuple[Phrase, ...]
    empty: frozenset[str]


_ENGLISH_WORDS: Final = (
    "a an the of these this them it its in for at and or but with beside by as here are is was were be there has have "
    "namely while whereas also which who that than , ; : ( ) ."
)
_GERMAN_WORDS: Final = (
    "der die das den dem des ein eine einer einem in im aus an am von vom mit bei und oder aber als ist sind war waren "
    "wird werden wurde wurden es davon dazu daneben dabei nämlich das heißt außerdem sowie , ; : ( ) ."
)
READERS: Final = {
    "en": Reader(
        ENGLISH,
        (
            *frames.PHRASES,
            *cells.PHRASES,
            *classes.PHRASES,
            *markers.PHRASES,
            *changes.PHRASES,
            *drift.PHRASES,
            *caveats.PHRASES,
        ),
        frozenset(_ENGLISH_WORDS.split()),
    ),
    "de": Reader(GERMAN, (*german.PHRASES, *drift.GERMAN), frozenset(_GERMAN_WORDS.split())),
}
