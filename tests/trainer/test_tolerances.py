"""Tolerances are finite, cover every output, and follow the precision."""

import numpy as np

from phenostream.engine.types import OUTPUT_SHAPES
from phenostream.trainer.tolerances import LEAST, tolerances


def test_every_output_has_one_and_a_narrower_precision_never_a_tighter_one() -> None:
    golden = {name: np.full((2, *shape), 2.0, np.float32) for name, shape in OUTPUT_SHAPES.items()}
    found = tolerances(golden)
    assert list(found) == ["fp32", "fp16", "bf16"]
    for name in OUTPUT_SHAPES:
        values = [of[name] for of in found.values()]
        assert LEAST <= values[0] < values[1] < values[2] < 0.1


def test_scores_in_larger_units_are_allowed_to_differ_by_more() -> None:
    ones = {name: np.ones((2, *shape), np.float32) for name, shape in OUTPUT_SHAPES.items()}
    small, large = tolerances(ones), tolerances({k: 50 * v for k, v in ones.items()})
    for precision, of in small.items():
        assert large[precision]["marker_interval"] == 50 * of["marker_interval"]
        assert large[precision]["reject_probability"] == of["reject_probability"]


def test_linear_estimates_may_differ_by_what_z_does_in_their_unit() -> None:
    golden = {name: np.ones((2, *shape), np.float32) for name, shape in OUTPUT_SHAPES.items()}
    found = tolerances(golden, linear_sd=250.0)
    for of in found.values():
        assert of["marker_estimate"] == of["marker_interval"] == 250.0 * of["marker_z"]
    assert tolerances(golden, linear_sd=1e-9) == tolerances(golden)


def test_an_output_that_is_always_zero_still_has_a_tolerance() -> None:
    golden = {name: np.zeros((2, *shape), np.float32) for name, shape in OUTPUT_SHAPES.items()}
    assert all(value > 0 for of in tolerances(golden).values() for value in of.values())


def test_intervals_with_widths_of_their_own_are_compared_in_z() -> None:
    golden = {name: np.ones((2, *shape), np.float32) for name, shape in OUTPUT_SHAPES.items()}
    found = tolerances(golden, linear_sd=250.0, own_widths=True)
    for of in found.values():
        assert "marker_interval" not in of
        assert of["marker_interval_z"] == 2 * of["marker_z"]
    assert "marker_interval_z" not in tolerances(golden)["fp32"]
