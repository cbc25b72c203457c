"""Whether figures of a model that should know nothing are those of chance, in words.

Three answers: no better than chance, better than chance, or too few cells to tell the two apart.
"""

from collections.abc import Mapping
from typing import Final

from phenostream.engine.types import CLASSES
from phenostream.trainer.evaluation.schema.figure import Figure

BALANCED: Final = "balanced accuracy"
CHANCE_ACCURACY: Final = 1 / len(CLASSES)
"""Balanced accuracy of who knows nothing."""
_LEAST_GAIN: Final = 0.05
_LEAST_R: Final = 0.1
"""So little above chance is none, even where the interval excludes it: an r of 0.1 explains a hundredth."""
_RULED_OUT: Final = 0.20
"""An interval that reaches further above chance than this rules nothing out."""


def against_chance(figures: Mapping[str, Figure], otherwise: str) -> tuple[bool | None, str]:
    """Verdict on `BALANCED` (chance 1/3) and correlations (chance 0, named ``r ...``).

    Args:
        figures: Measured.
        otherwise: What it means if they are better than chance.

    Returns:
        Whether all are at chance (None: too few cells to tell), and one sentence.
    """
    compared = {
        name: (figure, CHANCE_ACCURACY if name == BALANCED else 0.0)
        for name, figure in figures.items()
        if name == BALANCED or name.startswith("r ")
    }
    leaks = [name for name, (figure, chance) in compared.items() if above_chance(figure, chance)]
    if leaks:
        told = ", ".join(f"{name} {figures[name].text()}" for name in leaks)
        return False, f"Better than chance ({told}): {otherwise}."
    open_ones = [
        name for name, (figure, chance) in compared.items() if not _excluded(figure, chance)
    ]
    if open_ones or not compared:
        return None, f"Too few cells or fields to tell{_of(open_ones)}."
    return True, "No better than chance."


def above_chance(figure: Figure, chance: float = CHANCE_ACCURACY) -> bool:
    """The interval excludes chance, by more than is worth a word; False where there is no interval."""
    least = _LEAST_GAIN if chance else _LEAST_R
    return figure.low is not None and figure.low > chance and figure.value > chance + least


def _excluded(figure: Figure, chance: float) -> bool:
    """A real leak would lie above the interval."""
    return figure.high is not None and figure.high <= chance + _RULED_OUT


def _of(names: list[str]) -> str:
    return f": {', '.join(names)}" if names else ""
