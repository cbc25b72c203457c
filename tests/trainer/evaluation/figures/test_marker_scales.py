from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.manifest import MarkerTransform  # noqa: E402
from phenostream.trainer.evaluation.figures.marker_scales import MarkerScale  # noqa: E402
from phenostream.trainer.published.marker_statistics import UNKNOWN  # noqa: E402
from tests.trainer.evaluation import scripted  # noqa: E402

LINEAR = MarkerTransform(scale="linear", mean=(9, 9, 9, 9), sd=(2, 2, 2, 2))


@pytest.fixture
def ruler() -> MarkerScale:
    made = MarkerScale.of(scripted.cells(300, 1), 3)
    assert made is not None
    return made


def test_z_is_that_of_the_unmasked_training_targets(ruler: MarkerScale) -> None:
    train = scripted.cells(300, 1)
    levels = 10 ** train.marker_log10[train.white, 3].astype(np.float64)
    for scale in ("log", "linear"):
        z = ruler.z(levels, scale)
        assert z.mean() == pytest.approx(0, abs=1e-9)
        assert z.std() == pytest.approx(1)


def test_estimates_of_a_log_model_are_taken_as_they_are(ruler: MarkerScale) -> None:
    tiny = np.array([ruler.least / 1e3, ruler.least, 40.0])
    said = ruler.estimated_z(tiny, scripted.TRANSFORM, "log")
    np.testing.assert_allclose(said, ruler.z(tiny, "log"))


def test_a_linear_model_may_go_below_zero_and_counts_as_the_least_level_on_the_log_scale(
    ruler: MarkerScale,
) -> None:
    estimate = np.array([-5.0, 0.0, 40.0])
    log = ruler.estimated_z(estimate, LINEAR, "log")
    assert log[0] == log[1] == ruler.z(np.array([ruler.least]), "log")[0]
    linear = ruler.estimated_z(estimate, LINEAR, "linear")
    np.testing.assert_allclose(linear, ruler.z(estimate, "linear"))


def test_estimates_without_a_unit_are_taken_for_linear_z(ruler: MarkerScale) -> None:
    z = np.array([-0.2, 0.0, 1.5])
    np.testing.assert_allclose(ruler.estimated_z(z, UNKNOWN, "linear"), z)


def test_widths_are_told_on_the_scale_of_the_model(ruler: MarkerScale) -> None:
    interval = np.array([[1.0, 10.0], [5.0, 5.0]])
    np.testing.assert_allclose(ruler.widths(interval, "log10"), [1 / ruler.sd_log, 0])
    np.testing.assert_allclose(ruler.widths(interval, "linear"), [9 / ruler.sd_linear, 0])


def test_targets_without_spread_are_no_ruler() -> None:
    cells = scripted.cells(50, 1)
    assert MarkerScale.of(replace(cells, marker_mask=np.zeros_like(cells.marker_mask)), 0) is None
    flat = replace(cells, marker_log10=np.ones_like(cells.marker_log10))
    assert MarkerScale.of(flat, 0) is None
