import pytest
from pydantic import ValidationError

from phenostream.trainer.evaluation.schema.figure import Curve, Figure


def test_a_figure_tells_its_interval_or_that_there_is_none() -> None:
    assert Figure(value=0.9123, low=0.9, high=0.95, n=40).text() == "0.912 [0.900, 0.950]"
    assert Figure(value=0.9123, n=4).text(2) == "0.91 [no interval]"


def test_zero_is_excluded_only_by_a_whole_interval() -> None:
    assert Figure(value=0.3, low=0.1, high=0.5, n=9).excludes_zero
    assert Figure(value=-0.3, low=-0.5, high=-0.1, n=9).excludes_zero
    assert not Figure(value=0.3, low=0.0, high=0.5, n=9).excludes_zero
    assert not Figure(value=0.3, n=9).excludes_zero


@pytest.mark.parametrize(
    "values",
    [
        {"value": float("nan"), "n": 1},
        {"value": 1.0, "low": 0.5, "n": 1},
        {"value": 1.0, "n": -1},
        {"value": 1.0, "n": 1, "note": "x"},
    ],
)
def test_what_is_no_figure_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Figure.model_validate(values)


def test_a_curve_has_a_y_for_every_x() -> None:
    with pytest.raises(ValidationError, match="2 and 1 points"):
        Curve(x=(0, 1), y=(0,))
