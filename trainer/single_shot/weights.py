"""The single-shot model that comes with the program, or one in a folder: a committee, or one network."""

from pathlib import Path
from typing import Final

from phenostream.trainer.classifier.committee import Committee, load_committee

SHIPPED: Final = Path(__file__).parent.parent / "weights" / "single_shot"
"""Trained on simulated cells only."""


def load_single_shot(folder: Path | None = None) -> Committee:
    """The model in a folder; None: the one that comes with the program.

    Raises:
        BadInput: It is none, or one for other pictures.
    """
    return load_committee(folder or SHIPPED, "single-shot")
