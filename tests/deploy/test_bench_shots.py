"""Ratios are taken round by round, of the same quantity."""

import pytest

from phenostream.deploy.bench.shots import compared


def test_the_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    one = compared("CPU", whole=(1.0, 2.0, 4.0), single=(1.1, 2.0, 4.8))
    assert (one.whole, one.single) == (2.0, 2.0)
    assert one.ratio == pytest.approx(1.1)
    assert (one.low, one.high) == (1.0, 1.2)
    assert one.quartiles == (1.05, 1.15)
