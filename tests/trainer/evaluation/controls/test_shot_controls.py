from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.manifest import Calibration, MarkerTransform  # noqa: E402
from phenostream.engine.optics.illumination import TILT  # noqa: E402
from phenostream.engine.types import F32, OUTPUT_SHAPES, SHOTS, Outputs  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.evaluation.controls.judge import Judge  # noqa: E402
from phenostream.trainer.evaluation.controls.shot_controls import (  # noqa: E402
    channels_permuted,
    flips_unswapped,
)
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings  # noqa: E402
from phenostream.trainer.evaluation.schema.comparisons import Control  # noqa: E402
from phenostream.trainer.evaluation.schema.document import SubjectFacts  # noqa: E402
from phenostream.trainer.evaluation.served import serve  # noqa: E402
from phenostream.trainer.evaluation.subject import Subject  # noqa: E402


def subject_that(calls: Callable[[F32], F32]) -> Subject:
    """A model whose class is a function of the contrast (N, 4, 28, 28)."""

    def infer(images: F32, background: F32) -> Outputs:
        count = len(images)
        columns = {
            name: np.zeros((count, *shape), np.float32) for name, shape in OUTPUT_SHAPES.items()
        }
        called = calls(images / background[:, :, None, None] - 1).astype(np.intp)
        columns["class_probability"][np.arange(count), called] = 1
        return Outputs(**columns)

    facts = SubjectFacts(
        name="hand-written 1",
        synthetic=True,
        source="checkpoint",
        identity="none",
        runtime="numpy",
        calibrated=False,
        marker_unit="none",
    )
    calibration = Calibration(
        status="uncalibrated",
        interval_half_width_z=None,
        ood_threshold=None,
        reject_threshold=None,
    )
    transform = MarkerTransform(scale="log10", mean=(0, 0, 0, 0), sd=(1, 1, 1, 1))
    return Subject(facts, calibration, transform, infer, None, {})


def by_size(contrast: F32) -> F32:
    """Blind to which shot is which."""
    shaded = (np.abs(contrast).mean(axis=1) > 0.02).sum(axis=(1, 2))
    called: F32 = np.digitize(shaded, [80, 135]).astype(np.float32)
    return called


def by_size_where_lit_as_named(contrast: F32) -> F32:
    """The same, but wrong where a shot's bright edge is not on its side."""
    y, x = np.indices((28, 28)) - 13.5
    wrong = np.zeros(len(contrast), bool)
    for index, shot in enumerate(SHOTS):
        down, right = TILT[shot]
        wrong |= (contrast[:, index] * (down * y + right * x)).sum(axis=(1, 2)) <= 0
    called: F32 = (by_size(contrast) + wrong) % 3
    return called


def by_left_light(contrast: F32) -> F32:
    """Looks at the upper half of one shot: no symmetry, no direction."""
    called: F32 = (contrast[:, 0, :14].mean(axis=(1, 2)) > 0).astype(np.float32)
    return called


@pytest.fixture(scope="module")
def judge(cells_by_size: CellSet) -> Judge:
    return Judge.of(cells_by_size, BootstrapSettings(resamples=200))


def both(subject: Subject, judge: Judge) -> tuple[Control, Control]:
    called = serve(subject.outputs(judge.test), subject.calibration).called
    return channels_permuted(subject, judge, called, 1), flips_unswapped(subject, judge, called)


def test_a_model_that_knows_the_light_passes_both(judge: Judge) -> None:
    subject = subject_that(by_size_where_lit_as_named)
    permuted, flipped = both(subject, judge)
    assert permuted.figures["accuracy"].value > 0.9
    assert permuted.as_expected is True
    assert permuted.figures["change"].value < -0.5
    assert flipped.as_expected is True
    assert flipped.figures["same class, L-R swapped"].value == 1
    assert flipped.figures["change, T-B unswapped"].value < -0.5


def test_a_model_blind_to_the_shots_fails_both_and_is_told_why(judge: Judge) -> None:
    subject = subject_that(by_size)
    permuted, flipped = both(subject, judge)
    assert permuted.as_expected is False
    assert permuted.verdict == "The model's accuracy does not need which shot is which."
    assert flipped.as_expected is False
    assert "a mirror without the swap does not lower its accuracy" in flipped.verdict
    assert "symmetry" not in flipped.verdict


def test_a_single_field_cannot_tell(judge: Judge) -> None:
    one_field = Judge.of(judge.test.select(np.arange(6)), BootstrapSettings(resamples=100))
    subject = subject_that(by_left_light)
    assert [control.as_expected for control in both(subject, one_field)] == [None, None]
