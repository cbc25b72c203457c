"""A frame becomes a numerator and a denominator of each quantity; a saved reference tells the same of its frames."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.drift.earlier import sums_of
from phenostream.engine.drift.frame import Projection, frame_values, principal_projection
from phenostream.engine.drift.quantities import AXES, quantities_of
from phenostream.engine.drift.sums import F64, Sums
from phenostream.engine.postprocess import CLASSIFIED, EDGE, NO_CLASS, REJECTED
from phenostream.engine.summary.histogram import LIMIT, STEP
from phenostream.engine.summary.window import WindowStatistics
from phenostream.engine.types import SHOTS
from tests.engine.drift.toy_frames import CONTEXT, ROWS, Sample, columns_of

CODES = [one.code for one in quantities_of(CONTEXT)]


def ratios(x: F64, n: F64) -> dict[str, tuple[float, float]]:
    return {code: (float(a), float(b)) for code, a, b in zip(CODES, x, n, strict=True)}


def test_a_feature_beyond_all_measure_is_projected_to_a_number() -> None:
    axes = np.tile(np.array([[1e3], [-1e3]], np.float32), (128, AXES))
    feature = np.full((2, 256), 3e38, np.float32)
    feature[1, 1::2] = 0
    projected = Projection(np.zeros(256, np.float32), axes).of(feature)
    assert projected.tolist() == [[0.0] * AXES, [LIMIT] * AXES]


def test_every_quantity_of_a_frame_is_counted() -> None:
    columns: dict[str, npt.NDArray[Any]] = {
        "status": np.array([CLASSIFIED, CLASSIFIED, CLASSIFIED, REJECTED, EDGE], np.uint8),
        "class": np.array([1, 1, 2, NO_CLASS, NO_CLASS], np.uint8),
        "marker_z": np.array([[1, 2, 3, 4], [3, 2, 1, 0], [5, 5, 99, 5], [7] * 4, [7] * 4], np.float32),
        "ood": np.array([False, True, False, True, False]),
    }  # fmt: skip
    projected = np.arange(24, dtype=np.float64).reshape(3, 8)
    told = ratios(*frame_values(CONTEXT, columns, projected, {"left": 1.0, "top": 0.5}))
    assert told["share/granulocyte"] == (2, 3)
    assert told["share/lymphocyte"] == (0, 3)
    assert told["rejected"] == (1, 4)
    assert told["unusual"] == (1, 3)
    assert told["marker/granulocyte/CD3/CD19/CD56"] == (4, 2)
    assert told["marker/monocyte/CD45"] == (8, 1)  # cut off where a histogram ends
    assert told["marker/lymphocyte/CD16"] == (0, 0)
    assert told["feature/2"] == (2 + 10 + 18, 3)
    assert told["brightness/left"] == (0, 1)
    assert told["brightness/top"] == pytest.approx((np.log(0.5), 1))
    assert told["brightness/right"] == (0, 0)


def test_what_a_frame_does_not_tell_has_no_denominator() -> None:
    columns = columns_of(Sample(), np.random.default_rng(0))
    told = ratios(*frame_values(CONTEXT, columns))
    unknown = [code for code in CODES if code.startswith(("feature", "brightness"))]
    assert len(unknown) == AXES + len(SHOTS)
    assert {told[code] for code in unknown} == {(0.0, 0.0)}


def test_a_frame_without_cells_counts_none() -> None:
    columns = columns_of(Sample(cells=0), np.random.default_rng(0))
    x, n = frame_values(CONTEXT, columns, np.empty((0, AXES)), {"left": 0.0})
    assert not x.any()
    assert not n.any()


def test_a_reference_tells_what_its_frames_told() -> None:
    rng, direct, counted = np.random.default_rng(1), Sums(ROWS), WindowStatistics(CONTEXT)
    for cells in (30, 45, 60, 0, 52):
        columns = columns_of(Sample(cells=cells), rng)
        counted.add(columns)
        direct.add(*frame_values(CONTEXT, columns))
    told = sums_of(counted)
    assert told.frames == direct.frames
    compared = 0
    for row, quantity in enumerate(quantities_of(CONTEXT)):
        one, other = told.estimate(row), direct.estimate(row)
        if quantity.kind in ("feature", "brightness"):
            assert one is None
        else:
            assert (one is None) == (other is None)
            if one is None or other is None:
                continue
            compared += 1
            close = STEP if quantity.kind == "marker" else 1e-12
            assert one.value == pytest.approx(other.value, abs=close)
            assert one.variance == pytest.approx(other.variance, rel=0.05, abs=1e-12)
    assert compared >= 13


def test_a_projection_has_mean_0_and_sd_1_over_its_own_cells() -> None:
    rng = np.random.default_rng(2)
    feature = (rng.normal(size=(500, 12)) @ rng.normal(size=(12, 256)) + 3).astype(np.float32)
    projection = principal_projection(feature)
    projected = projection.of(feature)
    assert projected.shape == (500, AXES)
    assert projected.mean(axis=0) == pytest.approx(np.zeros(AXES), abs=1e-3)
    assert projected.std(axis=0) == pytest.approx(np.ones(AXES), abs=1e-2)


def test_a_feature_far_out_moves_a_mean_by_a_bounded_amount() -> None:
    feature = np.random.default_rng(3).normal(size=(300, 256)).astype(np.float32)
    far = np.full((1, 256), 1e6, np.float32)
    assert np.abs(principal_projection(feature).of(far)).max() == 8
