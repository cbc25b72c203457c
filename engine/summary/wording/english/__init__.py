"""English."""

from typing import Final

from phenostream.engine.summary.wording.english.cells import EnglishCells
from phenostream.engine.summary.wording.english.changes import EnglishChanges
from phenostream.engine.summary.wording.english.classes import EnglishClasses
from phenostream.engine.summary.wording.english.markers import EnglishMarkers
from phenostream.engine.summary.wording.language import Language

ENGLISH: Final = Language(EnglishCells(), EnglishClasses(), EnglishMarkers(), EnglishChanges())
