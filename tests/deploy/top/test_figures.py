"""Figures are short, and say so where there is none."""

import math

import pytest

from phenostream.deploy.top import figures


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (99_999, "99,999"), (100_000, "100k"), (12_345_678, "12.35M"), (10**18, "1E"),
     (10**24, "1e+06E"), (None, "-"), ("7", "-")],
)  # fmt: skip
def test_a_count_is_exact_as_long_as_it_is_short(value: object, shown: str) -> None:
    assert figures.count(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.003, "3"), (0.0075, "7.5"), (math.inf, "over"), (math.nan, "-")]
)
def test_a_bound_is_in_milliseconds(seconds: float, shown: str) -> None:
    assert figures.bound(seconds) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(0.0, ""), (1.0, "█" * 8), (0.5, "█" * 4), (1 / 64, "▏"), (9.0, "█" * 8)]
)
def test_a_bar_is_as_long_as_its_share(share: float, shown: str) -> None:
    assert figures.bar(share) == shown


def test_what_is_not_known_is_a_dash() -> None:
    assert figures.bar(math.nan) == ""
    assert figures.number(math.nan) == figures.percent(math.nan) == "-"
    assert figures.mebibytes(None) == "-"
