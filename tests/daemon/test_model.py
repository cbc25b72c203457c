"""What a result says of its model is enough to judge its numbers by."""

from collections.abc import Callable

import pytest

from phenostream.daemon.model import ServedModel
from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import Calibration


@pytest.mark.parametrize(("status", "calibrated"), [("calibrated", True), ("uncalibrated", False)])
def test_the_description_says_whether_and_how_the_numbers_are_calibrated(
    make_model: Callable[..., ServedModel], status: str, calibrated: bool
) -> None:
    calibration = Calibration.model_validate(
        {
            "status": status,
            "interval_coverage": 0.8,
            "interval_half_width_z": [1.0] * 4,
            "ood_threshold": 1.5,
            "reject_threshold": 0.625,
        }
    )
    said = make_model(calibration=calibration, marker_unit="ng").describe()
    assert said["calibrated"] is calibrated
    assert (said["interval_coverage"], said["marker_unit"]) == (0.8, "ng")
    assert (said["ood_threshold"], said["reject_threshold"]) == (1.5, 0.625)


@pytest.mark.parametrize("shots", [("left", "right"), ("top",)])
def test_frames_of_other_shots_than_the_bundle_takes_are_refused(
    make_model: Callable[..., ServedModel], shots: tuple[str, ...]
) -> None:
    model = make_model()
    model.check_shots(("bottom", "top", "left", "right"))
    with pytest.raises(BadInput) as raised:
        model.check_shots(shots)
    assert str(raised.value) == (
        f"shots {', '.join(shots)}: this bundle takes left right top bottom"
    )


def test_a_bundle_may_take_other_sets_of_shots_too(make_model: Callable[..., ServedModel]) -> None:
    model = make_model(shot_sets=(("left", "right"), ("top",)))
    model.check_shots(("right", "left"))
    with pytest.raises(BadInput, match="takes left right or top"):
        model.check_shots(("left",))


def test_a_model_without_intervals_or_thresholds_says_nil(
    make_model: Callable[..., ServedModel],
) -> None:
    bare = Calibration(
        status="uncalibrated", interval_half_width_z=None, ood_threshold=None, reject_threshold=None
    )
    said = make_model(calibration=bare).describe()
    for key in ("interval_coverage", "ood_threshold", "reject_threshold"):
        assert said[key] is None
