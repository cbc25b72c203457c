"""What a manifest tells a person first."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from phenostream.engine.bundle import load_bundle
from phenostream.engine.manifest import Calibration, Manifest, Metric
from phenostream.engine.types import SHOTS

DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"


def test_the_headline_of_the_demo_bundle_is_short_and_has_every_data_set() -> None:
    manifest = load_bundle(DEMO).manifest
    said = manifest.headline()
    names = [
        "class accuracy, rejected counted wrong",
        "ECE",
        "reject AUROC",
        *(f"interval coverage {marker}" for marker in manifest.markers),
    ]
    presets = ("easy", "hard")
    assert [(metric.name, metric.data) for metric in said] == [
        (name, f"synthetic cells, preset {preset}, held out")
        for preset in presets
        for name in names
    ]
    assert set(said) < set(manifest.metrics)


def test_a_figure_that_was_not_measured_is_not_in_the_headline() -> None:
    manifest = load_bundle(DEMO).manifest
    one = Metric(name="ECE", value=0.1, low=0.0, high=0.2, n=5, data="blood")
    other = one.model_copy(update={"name": "r CD16"})
    assert manifest.model_copy(update={"metrics": (other, one)}).headline() == (one,)
    assert manifest.model_copy(update={"metrics": ()}).headline() == ()


def test_a_bundle_that_does_not_say_takes_the_four_shots_only() -> None:
    manifest = load_bundle(DEMO).manifest
    assert manifest.shot_sets == (SHOTS,)
    assert manifest.takes_shots(("bottom", "top", "right", "left"))
    assert not manifest.takes_shots(("left", "right"))


def test_a_bundle_may_take_other_sets_in_any_order() -> None:
    values = load_bundle(DEMO).manifest.model_dump()
    values["shot_sets"] = [["left", "right"], ["top"]]
    manifest = Manifest.model_validate(values)
    assert manifest.takes_shots(("right", "left"))
    assert manifest.takes_shots(("top",))
    assert not manifest.takes_shots(SHOTS)


@pytest.mark.parametrize(
    "sets",
    [
        [],
        [[]],
        [["left", "left"]],
        [["left", "up"]],
        [["left", "right", "top"]],
        [["left", "right"], ["right", "left"]],
    ],
)
def test_impossible_sets_of_shots_are_refused(sets: list[list[str]]) -> None:
    values = load_bundle(DEMO).manifest.model_dump()
    values["shot_sets"] = sets
    with pytest.raises(ValidationError, match="shot_sets"):
        Manifest.model_validate(values)


@pytest.mark.parametrize("absent", ["interval_half_width_z", "ood_threshold", "reject_threshold"])
def test_only_an_uncalibrated_model_may_lack_intervals_or_thresholds(absent: str) -> None:
    whole = load_bundle(DEMO).manifest.calibration.model_dump()
    without = whole | {absent: None}
    with pytest.raises(ValidationError, match=f"{absent}: null, allowed only where status is unc"):
        Calibration.model_validate(without)
    bare = Calibration.model_validate(without | {"status": "uncalibrated"})
    assert (bare.known_coverage is None) == (absent == "interval_half_width_z")


def test_an_earlier_bundle_promises_no_population_and_no_sets() -> None:
    calibration = load_bundle(DEMO).manifest.calibration.model_dump()
    for name in ("prior", "class_sets", "interval_scale", "class_bias"):
        calibration.pop(name)
    earlier = Calibration.model_validate(calibration)
    assert (earlier.prior, earlier.class_sets, earlier.interval_scale) == (None, None, None)
    assert earlier.class_bias == (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("prior", {"shares": [0.3, 0.3, 0.3], "stated": True}, "sum to 0.9, allowed 1"),
        ("prior", {"shares": [0, 0.5, 0.5], "stated": False}, "greater than or equal to 0.001"),
        (
            "class_sets",
            {"coverage": 0.9, "threshold": [0.1, 0.1, 0.4]},
            "less than or equal to 0.3",
        ),
        ("class_sets", {"coverage": 1.0, "threshold": [0.1, 0.1, 0.1]}, "less than 1"),
        ("interval_scale", [[1, 1, 1, 1]] * 2, "3|Field required"),
        ("interval_scale", [[1, 1, 1, -1]] * 3, "greater than or equal to 0"),
    ],
)
def test_impossible_promises_are_refused(name: str, value: object, says: str) -> None:
    calibration = load_bundle(DEMO).manifest.calibration.model_dump()
    with pytest.raises(ValidationError, match=says):
        Calibration.model_validate(calibration | {name: value})


def test_what_a_calibration_lacks_is_said_and_never_left_out() -> None:
    with pytest.raises(ValidationError, match="Field required"):
        Calibration.model_validate({"status": "uncalibrated"})
