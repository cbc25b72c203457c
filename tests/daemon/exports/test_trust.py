from typing import Any

import pytest

from phenostream.daemon.exports.trust import Trust, trust_in

GOOD: dict[str, Any] = {"calibrated": True, "interval_coverage": 0.9}
RAW: dict[str, Any] = {"calibrated": False, "interval_coverage": 0.9}
BARE: dict[str, Any] = {"calibrated": False, "interval_coverage": None}


@pytest.mark.parametrize(
    ("models", "synthetic", "calibration", "interval"),
    [
        ([GOOD], True, "calibrated on synthetic cells", "nominal 90 % interval"),
        ([GOOD], False, "calibrated on held-out cells", "nominal 90 % interval"),
        ([RAW], True, "uncalibrated", "interval of unknown coverage"),
        ([BARE], False, "uncalibrated", "interval, which this model does not have (empty)"),
        ([BARE, RAW], False, "uncalibrated", "interval of unknown coverage"),
        ([GOOD, BARE], False, "calibrated on held-out cells where `calibrated`", "nominal 90 % interval"),
        ([GOOD, RAW], True, "calibrated on synthetic cells where `calibrated`", "nominal 90 % interval"),
        (
            [GOOD, GOOD | {"interval_coverage": 0.5}],
            True,
            "calibrated on synthetic cells",
            "nominal 50 % or 90 % interval",
        ),
    ],
)  # fmt: skip
def test_the_words_are_true_of_every_model(
    models: list[dict[str, Any]], synthetic: bool, calibration: str, interval: str
) -> None:
    assert trust_in(models, synthetic=synthetic) == Trust(calibration, interval)


@pytest.mark.parametrize("models", [[], [{}], [{"name": "old"}]])
def test_nothing_is_claimed_of_a_model_that_does_not_tell(models: list[dict[str, Any]]) -> None:
    assert "not told" in trust_in(models, synthetic=True).calibration
