import pytest

from phenostream.engine.summary.wording.numerals import Numerals

ENGLISH = Numerals(thousands=",", point=".", below="below")
GERMAN = Numerals(thousands=".", point=",", below="unter")


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [
        (1234567.8, "1,234,568", "1.234.568"),
        (1000.0, "1,000", "1.000"),
        (999.96, "1,000", "1.000"),
        (64.94, "64.9", "64,9"),
        (-0.01234, "-0.0123", "-0,0123"),
        (0.0, "0", "0"),
    ],
)
def test_marker_values_have_three_digits(value: float, english: str, german: str) -> None:
    assert ENGLISH.value(value) == english
    assert GERMAN.value(value) == german


def test_shares_are_told_to_a_tenth_of_a_per_cent() -> None:
    assert ENGLISH.percent(0.6494) == "64.9 %"
    assert GERMAN.percent(0.6494) == "64,9 %"
    assert ENGLISH.nominal(0.9) == "90 %"
    assert GERMAN.nominal(0.975) == "97,5 %"
    assert ENGLISH.points(-0.0321) == "-3.2"


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.0, "0.0 %"),
        (1e-6, "0.0001 %"),
        (0.50003, "50.003 %"),
        (0.5, "50.0 %"),
        (0.999999, "99.9999 %"),
        (1.0, "100.0 %"),
        (1e-12, "0.0 %"),
    ],
)
def test_nothing_half_and_all_are_told_of_nothing_else(share: float, told: str) -> None:
    assert ENGLISH.percent(share) == told


def test_a_small_difference_has_its_sign_and_none_has_no_sign() -> None:
    assert ENGLISH.points(-0.0003) == "-0.03"
    assert ENGLISH.points(-0.0) == "0.0"


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (0.402, 0.649, ("40.2 %", "64.9 %")),
        (0.40201, 0.40199, ("40.201 %", "40.199 %")),
        (0.5, 0.5, ("50.0 %", "50.0 %")),
        (0.0, 1e-4, ("0.00 %", "0.01 %")),
        (0.9, 0.9996, ("90.00 %", "99.96 %")),
    ],
)
def test_two_shares_that_differ_are_seen_to_differ(
    one: float, other: float, told: tuple[str, str]
) -> None:
    assert ENGLISH.percents(one, other) == told


@pytest.mark.parametrize(
    ("probability", "told"),
    [
        (0.63, "0.63"),
        (0.5, "0.50"),
        (0.5011, "0.501"),
        (0.49996, "0.49996"),
        (1.0, "1.00"),
        (0.9999, "0.9999"),
    ],
)
def test_a_superiority_is_seen_to_differ_from_a_half(probability: float, told: str) -> None:
    assert ENGLISH.superiority(probability) == told


def test_a_small_p_is_below_its_bound() -> None:
    assert ENGLISH.p(0.000999) == "below 0.001"
    assert GERMAN.p(0.0) == "unter 0,001"
    assert ENGLISH.p(0.0123) == "0.012"
    assert GERMAN.p(1.0) == "1,000"


def test_counts_and_seconds_are_grouped() -> None:
    assert ENGLISH.count(12345) == "12,345"
    assert GERMAN.count(12345) == "12.345"
    assert GERMAN.seconds(1234.56) == "1.234,6 s"
    assert ENGLISH.seconds(0.1) == "0.1 s"


@pytest.mark.parametrize("seconds", [0.0, 0.0004, 0.0999])
def test_a_moment_is_not_told_as_no_time(seconds: float) -> None:
    assert ENGLISH.seconds(seconds) == "below 0.1 s"
    assert GERMAN.seconds(seconds) == "unter 0,1 s"
