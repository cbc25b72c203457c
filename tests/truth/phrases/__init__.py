"""All the ways to claim something that the reader knows, by what is claimed."""

from typing import Final

from tests.truth.context import Phrase
from tests.truth.phrases import caveats, cells, changes, classes, frames, markers

PHRASES: Final[tuple[Phrase, ...]] = (
    *frames.PHRASES,
    *cells.PHRASES,
    *classes.PHRASES,
    *markers.PHRASES,
    *changes.PHRASES,
    *caveats.PHRASES,
)
