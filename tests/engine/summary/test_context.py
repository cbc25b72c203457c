"""What numbers mean, read back from results and files that anybody may have written."""

import json
from typing import Any

import pytest

from phenostream.engine.errors import BadInput
from phenostream.engine.summary.context import SummaryContext
from tests.engine.summary.populations import CASES, Population

MODEL: dict[str, Any] = {
    "name": "demo",
    "version": "1",
    "classes": ["a", "b"],
    "markers": ["CD45"],
    "marker_unit": "a.u.",
    "marker_transform": {"scale": "log10", "mean": [1.0] * 4, "sd": [0.5] * 4},
    "interval_half_width_z": [1.5],
    "interval_coverage": 0.9,
    "calibrated": True,
    "ood_threshold": None,
    "reject_threshold": 0.5,
}


def read(model: object) -> SummaryContext:
    return SummaryContext.of_result(
        {"model": model, "model_synthetic": False, "source_synthetic": False}
    )


@pytest.mark.parametrize("seed", range(CASES))
def test_a_context_comes_back_as_it_was(seed: int) -> None:
    context = Population(seed).context
    assert SummaryContext.from_dict(json.loads(json.dumps(context.as_dict()))) == context


def test_a_result_says_what_its_model_can_tell() -> None:
    context = read(MODEL)
    assert (context.model, context.half_width_z) == ("demo 1", (1.5,))
    assert (context.scores_ood, context.rejects) == (False, True)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("classes", [], "classes"),
        ("classes", ["a", "a"], "classes: a name is there twice"),
        ("classes", "ab", "classes"),
        ("markers", ["x"] * 5, "markers"),
        ("marker_unit", 3, "marker_unit"),
        ("marker_transform", None, "marker_transform"),
        ("marker_transform", {"scale": "log2"}, "marker_transform"),
        (
            "marker_transform",
            {"scale": "log10", "mean": [1.0] * 4, "sd": [40.0] * 4},
            "marker_transform: 'CD45': values that are not finite",
        ),
        (
            "marker_transform",
            {"scale": "linear", "mean": [1.7e308] * 4, "sd": [1e308] * 4},
            "not finite",
        ),
        ("interval_half_width_z", [1e9], "not finite"),
        ("interval_half_width_z", [1.0, 2.0], "half_width_z: 2 of 1 markers"),
        ("interval_half_width_z", [float("nan")], "half_width_z"),
        ("interval_coverage", 90, "interval_coverage"),
        ("calibrated", 1, "calibrated"),
    ],
)
def test_a_result_whose_model_cannot_be_is_refused_in_one_line(
    key: str, value: object, said: str
) -> None:
    with pytest.raises(BadInput) as refused:
        read({**MODEL, key: value})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("key", ["marker_transform", "interval_half_width_z", "classes"])
def test_an_early_result_that_does_not_say_it_is_refused_by_the_key(key: str) -> None:
    with pytest.raises(BadInput, match=key.removeprefix("interval_")):
        read({name: value for name, value in MODEL.items() if name != key})


@pytest.mark.parametrize("model", [None, [], "demo"])
def test_a_result_without_a_model_is_refused(model: object) -> None:
    with pytest.raises(BadInput, match="expected a map"):
        read(model)
