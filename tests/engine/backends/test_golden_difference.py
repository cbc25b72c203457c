import numpy as np
import pytest

from phenostream.engine.backends.golden_difference import INTERVAL_Z, golden_difference
from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.types import F32

LOG = MarkerTransform(scale="log10", mean=(0, 1, 2, 3), sd=(0.5, 0.5, 0.5, 0.5))
LINEAR = MarkerTransform(scale="linear", mean=(0, 1, 2, 3), sd=(2, 2, 2, 2))


def outputs(ends: F32, *reject: float) -> dict[str, F32]:
    return {"marker_interval": ends, "reject_probability": np.array(reject, np.float32)}


def ends(*values: float) -> F32:
    """Both ends of all markers of each crop."""
    return np.ones((len(values), 4, 2), np.float32) * np.array(values, np.float32)[:, None, None]


def test_ends_on_a_log_scale_differ_by_their_ratio_however_large_they_are() -> None:
    golden = outputs(ends(1, 10_000), 0.1, 0.1)
    found = outputs(ends(1.1, 11_000), 0.1, 0.1)
    assert golden_difference(INTERVAL_Z, found, golden, LOG, 0.5) == pytest.approx(
        np.log10(1.1) / 0.5, rel=1e-3
    )


def test_ends_on_a_linear_scale_differ_by_parts_of_the_spread() -> None:
    golden, found = outputs(ends(4), 0.1), outputs(ends(5), 0.1)
    assert golden_difference(INTERVAL_Z, found, golden, LINEAR, 0.5) == pytest.approx(0.5)


def test_a_rejected_golden_crop_does_not_count_unless_all_are() -> None:
    golden, found = outputs(ends(1, 1), 0.1, 0.9), outputs(ends(1, 9), 0.9, 0.1)
    assert golden_difference(INTERVAL_Z, found, golden, LOG, 0.5) == 0
    assert golden_difference(INTERVAL_Z, found, golden, LOG, None) > 1
    assert golden_difference(INTERVAL_Z, found, golden, LOG, 0.05) > 1


def test_an_end_that_has_no_z_is_within_no_tolerance() -> None:
    golden = outputs(ends(1), 0.1)
    for wrong in (-1.0, 0.0, np.nan):
        found = outputs(ends(wrong), 0.1)
        assert not golden_difference(INTERVAL_Z, found, golden, LOG, 0.5) <= 1e9
