"""German."""

from typing import Final

from phenostream.engine.summary.wording.german.cells import GermanCells
from phenostream.engine.summary.wording.german.changes import GermanChanges
from phenostream.engine.summary.wording.german.classes import GermanClasses
from phenostream.engine.summary.wording.german.markers import GermanMarkers
from phenostream.engine.summary.wording.language import Language

GERMAN: Final = Language(GermanCells(), GermanClasses(), GermanMarkers(), GermanChanges())
