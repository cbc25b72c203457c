"""The tails of t against another implementation, and against the limits that are known."""

from math import erfc, inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from phenostream.engine.summary.student import MOST_FREEDOM, tails


@pytest.mark.parametrize("freedom", [0.5, 1, 2, 2.7, 4, 9, 18, 100, 1234.5, 1e5, MOST_FREEDOM])
def test_the_tails_are_those_of_another_implementation(freedom: float) -> None:
    for t in (0.0, 1e-8, 0.01, 0.5, 1.0, 2.0, 3.6, 5.0, 10.0, 50.0, 1000.0):
        expected = float(2 * stats.t.sf(t, freedom))
        assert tails(t, freedom) == pytest.approx(expected, rel=1e-8, abs=1e-290)


@given(st.floats(-1e3, 1e3), st.floats(0.1, 1e7))
def test_the_tails_are_a_probability_on_both_sides_of_zero(t: float, freedom: float) -> None:
    assert 0 <= tails(t, freedom) <= 1
    assert tails(t, freedom) == tails(-t, freedom)


def test_far_out_nothing_is_left_and_many_degrees_of_freedom_are_the_normal_distribution() -> None:
    assert tails(inf, 5) == tails(1e200, 5) == 0
    assert tails(3.0, 1e12) == pytest.approx(erfc(3 / sqrt(2)), rel=1e-4)
