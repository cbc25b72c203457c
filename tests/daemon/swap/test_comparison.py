"""Agreement, shift and shares are those of a count by hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.model import ServedModel
from phenostream.daemon.swap.comparison import Comparison
from phenostream.daemon.swap.state import SwapSettings
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.manifest import Calibration, Manifest, MarkerTransform
from phenostream.engine.types import F32, Outputs
from tests.daemon.conftest import toy_model

ModelMaker = Callable[..., ServedModel]
SETTINGS = SwapSettings(Path("/b"), min_agreement=0.9, max_marker_shift=0.1)


def manifest(**changes: Any) -> Manifest:
    return toy_model(**changes).manifest


def outputs(kinds: list[int], z: float = 0.0, rejected: list[int] | None = None) -> Outputs:
    """Cells of these classes; those at these places are rejected."""
    cells = len(kinds)
    made = FakeBackend().infer(
        np.full((cells, 4, 28, 28), 0.5, np.float32), np.full((cells, 4), 0.5, np.float32)
    )
    probability: F32 = np.full((cells, 3), 0.1, np.float32)
    probability[np.arange(cells), kinds] = 0.8
    reject = np.zeros(cells, np.float32)
    reject[rejected or []] = 0.5
    return replace(
        made,
        class_probability=probability,
        marker_z=np.full((cells, 4), z, np.float32),
        reject_probability=reject,
    )


def test_a_decision_is_a_class_or_that_it_is_none() -> None:
    comparison = Comparison(manifest(), manifest())
    comparison.add(
        outputs([0, 1, 2, 0, 1], rejected=[4]), outputs([0, 1, 0, 0, 1], rejected=[3, 4])
    )
    told = comparison.told()
    assert comparison.agreement == told["agreement"] == 3 / 5
    assert told["changes"] == [
        {"reference": "lymphocyte", "other": "rejected", "cells": 1},
        {"reference": "monocyte", "other": "lymphocyte", "cells": 1},
    ]
    assert told["rejected"] == [1 / 5, 2 / 5]
    assert told["cells_with_markers"] == 3
    assert told["agreement_low"] < 3 / 5 < told["agreement_high"]
    assert "alike for 60.00% of 5 cells, allowed 90.00% or more" in str(comparison.breach(SETTINGS))


def test_chance_does_not_exceed_a_limit_for_whoever_looks_often() -> None:
    """Of 200 cells, 24 otherwise: 88 %, which a model of 90 % comes to often; its interval is 83 to 92 %."""
    comparison = Comparison(manifest(), manifest())
    comparison.add(outputs([0] * 200), outputs([0] * 176 + [1] * 24))
    assert comparison.breach(SETTINGS) is not None
    assert comparison.breach(SETTINGS, looked_often=True) is None
    comparison.add(outputs([0] * 200), outputs([0] * 164 + [1] * 36))
    assert "alike for 85.00% of 400 cells" in str(comparison.breach(SETTINGS, looked_often=True))


def test_each_model_rejects_and_flags_by_its_own_thresholds() -> None:
    strict = Calibration(
        status="uncalibrated",
        interval_half_width_z=None,
        ood_threshold=-1.0,
        reject_threshold=0.25,
    )
    comparison = Comparison(manifest(), manifest(calibration=strict))
    half = replace(outputs([0, 0]), reject_probability=np.array([0.3, 0.1], np.float32))
    comparison.add(half, half)
    told = comparison.told()
    assert told["rejected"] == [0.0, 0.5]
    assert told["unusual"] == [0.0, 1.0]


@pytest.mark.parametrize("shift", [0.05, -0.05, 0.2, -0.2])
def test_a_shift_is_judged_by_its_mean_in_standard_deviations_of_the_serving_model(
    shift: float,
) -> None:
    comparison = Comparison(manifest(), manifest())
    comparison.add(outputs([0, 1], z=1.0), outputs([0, 1], z=1.0 + shift))
    np.testing.assert_allclose(comparison.marker_shift, shift, rtol=1e-5)
    breach = comparison.breach(SETTINGS)
    assert (breach is None) == (abs(shift) < 0.1)
    assert breach is None or f"shifted by {shift:+.3f} standard deviations over 2 cells" in breach


def test_the_same_value_in_another_models_z_is_no_shift() -> None:
    other = MarkerTransform(scale="log10", mean=(2.0,) * 4, sd=(0.25,) * 4)
    comparison = Comparison(manifest(), manifest(marker_transform=other))
    # z 1 of the reference (mean 1, sd 0.5) is 10^1.5, and so is z -2 of the other (mean 2, sd 0.25)
    comparison.add(outputs([0], z=1.0), outputs([0], z=-2.0))
    np.testing.assert_allclose(comparison.marker_shift, 0.0, atol=1e-6)


def test_spread_and_correlation_are_those_of_numpy() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 50, 4)).astype(np.float32)
    b = (a + 0.5 * b).astype(np.float32)
    comparison = Comparison(manifest(), manifest())
    for rows in (slice(0, 20), slice(20, 50)):
        one = replace(outputs([0] * len(a[rows])), marker_z=a[rows])
        comparison.add(one, replace(one, marker_z=b[rows]))
    for number, told in enumerate(comparison.told()["markers"]):
        difference = b[:, number].astype(float) - a[:, number]
        assert told["shift_sd"] == pytest.approx(difference.mean())
        assert told["rms_difference_sd"] == pytest.approx(np.sqrt((difference**2).mean()))
        assert told["r"] == pytest.approx(np.corrcoef(a[:, number], b[:, number])[0, 1])


def test_nothing_compared_breaks_no_limit_and_says_so() -> None:
    comparison = Comparison(manifest(), manifest())
    assert comparison.breach(SETTINGS) is None
    told = comparison.told()
    assert (told["cells"], told["agreement"], told["changes"]) == (0, 1.0, [])
    assert (told["agreement_low"], told["agreement_high"]) == (0.0, 1.0)
