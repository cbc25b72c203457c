"""Words that corruptions bring in: of cells, units, statements and judgements that no facts hold."""

from typing import Final

FOREIGN: Final = (
    "neutrophils",
    "platelets",
    "macrophages",
    "blast cells",
    "red cells",
    "NK cells",
    "stem cells",
)
DIAGNOSES: Final = (
    "which is consistent with an infection",
    "suggesting leukaemia",
    "as in a healthy donor",
    "which is abnormal",
    "so the patient should see a doctor",
    "indicating inflammation",
    "within the normal range",
    "which is clinically significant",
)
INVENTIONS: Final = (
    "The mean CD45 was 182.4.",
    "The viability was 98 %.",
    "The sample holds 4,000 cells per microlitre.",
    "CD34 averages 58.1.",
    "The mean diameter is 7.2 µm.",
    "The window lasted 35 minutes.",
    "About a third of the cells were doublets.",
    "Confidence is high.",
    "The cells came from three donors.",
    "The standard deviation was 14.9.",
)
UNITS: Final = ("pg/ml", "cells per µl", "per mm²", "MFI", "nm", "mg", "kDa")
OPPOSITES: Final = {
    "rose": "fell",
    "fell": "rose",
    "increased": "decreased",
    "decreased": "increased",
    "went up": "went down",
    "went down": "went up",
    "higher": "lower",
    "lower": "higher",
    "larger": "smaller",
    "smaller": "larger",
    "outnumber": "are outnumbered by",
    "more": "fewer",
    "fewer": "more",
}
SUPERLATIVES: Final = {
    "largest": "smallest",
    "smallest": "largest",
    "highest": "lowest",
    "lowest": "highest",
    "most common": "least common",
    "least common": "most common",
}
MAJORITIES: Final = (
    "mostly {}",
    "predominantly {}",
    "dominated by {}",
    "the majority are {}",
    "more than half are {}",
)
