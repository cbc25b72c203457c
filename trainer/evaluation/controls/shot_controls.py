"""Does the model under judgement know which shot is which, and that a mirrored cell is the same cell?

Shots in a wrong order, or mirrored without the swap that optics requires (SPEC f.5), are not what a microscope could
see: a model that answers as before does not use the direction of light. A true symmetry must change nothing.
"""

from collections.abc import Mapping
from typing import Final

from phenostream.engine.optics import symmetry
from phenostream.engine.types import I32
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.controls.judge import Judge
from phenostream.trainer.evaluation.controls.perturbations import (
    shots_shuffled,
    turned,
    turned_alone,
)
from phenostream.trainer.evaluation.schema.comparisons import Control
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.served import serve
from phenostream.trainer.evaluation.subject import Subject

NO_CHANGE: Final = 0.02
"""A change of accuracy up to this is none."""
_MIRRORS: Final = {"L-R": symmetry.MIRROR_COLUMNS, "T-B": symmetry.MIRROR_ROWS}


def channels_permuted(subject: Subject, judge: Judge, before: I32, seed: int) -> Control:
    """The model on cells whose shots are each in an order of their own.

    Args:
        subject: The model.
        judge: Of the test cells.
        before: (N,) what it calls them as they are.
        seed: Of the orders.
    """
    after = _called(subject, shots_shuffled(judge.test, seed))
    figures = _present(
        {
            "accuracy": judge.classes(before).accuracy,
            "accuracy, permuted": judge.classes(after).accuracy,
            "change": judge.change(before, after),
            "same class": judge.same(before, after),
        }
    )
    fell = _fell(figures.get("change"))
    return Control(
        name="channels permuted",
        what="The four shots of each test cell, with their backgrounds, in a random order of its own.",
        expected="Accuracy falls; unchanged, it would mean that the model ignores which shot is which.",
        figures=figures,
        as_expected=fell,
        verdict=_fall_in_words(fell, "which shot is which"),
    )


def flips_unswapped(subject: Subject, judge: Judge, before: I32) -> Control:
    """The model on mirrored cells, with the pair of shots across the mirror line swapped and left as it is.

    Args:
        subject: The model.
        judge: Of the test cells.
        before: (N,) what it calls them as they are.
    """
    measured: dict[str, Figure | None] = {"accuracy": judge.classes(before).accuracy}
    for name, element in _MIRRORS.items():
        for how, cells in (
            ("swapped", turned(judge.test, element)),
            ("unswapped", turned_alone(judge.test, element)),
        ):
            after = _called(subject, cells)
            measured[f"change, {name} {how}"] = judge.change(before, after)
            measured[f"same class, {name} {how}"] = judge.same(before, after)
    figures = _present(measured)
    as_expected, verdict = _mirrored_in_words(figures)
    return Control(
        name="flips unswapped",
        what="Test cells mirrored, once with the pair of shots swapped that tilts across the mirror line, once not.",
        expected=(
            "Swapped, nothing changes, or else the model knows no symmetry; unswapped, accuracy falls, or else it "
            "ignores the direction of light."
        ),
        figures=figures,
        as_expected=as_expected,
        verdict=verdict,
    )


def _called(subject: Subject, cells: CellSet) -> I32:
    return serve(subject.outputs(cells), subject.calibration).called


def _present(figures: Mapping[str, Figure | None]) -> dict[str, Figure]:
    return {name: figure for name, figure in figures.items() if figure is not None}


def _fell(change: Figure | None) -> bool | None:
    """Whether accuracy fell by more than `NO_CHANGE`; None where the interval leaves it open."""
    if change is None or change.low is None or change.high is None:
        return None
    if change.high < 0 and change.value < -NO_CHANGE:
        return True
    return False if change.low > -NO_CHANGE else None


def _kept(change: Figure | None) -> bool | None:
    """Whether accuracy stayed within `NO_CHANGE`; None where the interval leaves it open."""
    if change is None or change.low is None or change.high is None:
        return None
    if abs(change.value) <= NO_CHANGE:
        return True
    return False if change.high < 0 or change.low > 0 else None


def _fall_in_words(fell: bool | None, what: str) -> str:
    if fell is None:
        return "Too few cells or fields to tell."
    return f"The model uses {what}." if fell else f"The model's accuracy does not need {what}."


def _mirrored_in_words(figures: Mapping[str, Figure]) -> tuple[bool | None, str]:
    kept = [_kept(figures.get(f"change, {name} swapped")) for name in _MIRRORS]
    fell = [_fell(figures.get(f"change, {name} unswapped")) for name in _MIRRORS]
    answers = [*kept, *fell]
    if False in answers:
        told = [
            words
            for wrong, words in (
                (False in kept, "a true symmetry changes its accuracy"),
                (False in fell, "a mirror without the swap does not lower its accuracy"),
            )
            if wrong
        ]
        return False, f"Of this model, {' and '.join(told)}."
    if None in answers:
        return None, "Too few cells or fields to tell."
    return True, "The model knows the symmetry and uses the direction of light."
