"""What a result says of its model is enough to judge its numbers by."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phenostream.daemon.model import ServedModel, served_model
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.deploy.bundle_signing import make_signing_keys, sign_bundle
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.backends.registry import BACKENDS
from phenostream.engine.errors import BadBundle, BadInput
from phenostream.engine.manifest import Calibration
from phenostream.engine.summary.context import SummaryContext


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
            "prior": {"shares": [0.25, 0.5, 0.25], "stated": True},
            "class_sets": {"coverage": 0.95, "threshold": [0.1, 0.2, 0.3]},
        }
    )
    said = make_model(calibration=calibration, marker_unit="ng").describe()
    assert said["calibrated"] is calibrated
    assert (said["interval_coverage"], said["marker_unit"]) == (0.8, "ng")
    assert (said["ood_threshold"], said["reject_threshold"]) == (1.5, 0.625)
    assert said["prior"] == {"shares": [0.25, 0.5, 0.25], "stated": True}
    assert said["class_coverage"] == 0.95


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
    absent = ("prior", "class_coverage", "interval_coverage", "ood_threshold", "reject_threshold")
    for key in absent:
        assert said[key] is None


@pytest.fixture
def signing(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A bundle, and the secret and public file of a key that has not signed it yet."""
    shutil.copytree(demo_bundle(), tmp_path / "bundle")
    secret, public, _ = make_signing_keys(tmp_path / "keys", "lab")
    return tmp_path / "bundle", secret, public


def test_no_byte_of_a_bundle_that_nobody_trusted_signed_reaches_a_runtime(
    signing: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[str] = []
    for row in BACKENDS:
        monkeypatch.setitem(BACKENDS, row, lambda *_, row=row: entered.append(row))
    bundle, _, public = signing
    for name in ("openvino", "onnxruntime", "fake", "auto"):
        config = ModelConfig(bundle=str(bundle), trusted_keys=(public,), backend=name)
        with pytest.raises(BadBundle, match=r"is not signed, trusted are lab \(\w{16}\)$"):
            served_model(config).__enter__()
    other, _, key = make_signing_keys(tmp_path / "keys", "other")
    sign_bundle(bundle, other)
    with pytest.raises(BadBundle, match=rf"is signed by key {key.fingerprint}, trusted are lab \("):
        served_model(config).__enter__()
    (bundle / "model.onnx").write_bytes(b"another model")
    with pytest.raises(BadBundle):
        served_model(config).__enter__()
    assert entered == []


def test_results_say_who_signed_the_bundle_and_an_unsigned_one_is_warned_of(
    signing: tuple[Path, Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    bundle, secret, public = signing
    plain = ModelConfig(bundle=str(bundle), backend="fake", max_batch=1)
    with served_model(plain) as model:
        assert model.describe()["signed_by"] is None
    assert any(": unsigned;" in line.getMessage() for line in caplog.records)
    key = sign_bundle(bundle, secret)
    with served_model(plain) as model:
        assert model.describe()["signed_by"] == key.fingerprint
    assert "which nothing says to trust" in caplog.text
    with served_model(plain.model_copy(update={"trusted_keys": (public,)})) as model:
        assert model.describe()["signed_by"] == f"lab ({key.fingerprint})"


@pytest.mark.parametrize("bare", [False, True])
def test_a_result_tells_enough_of_its_model_to_summarise_it_without_the_bundle(
    make_model: Callable[..., ServedModel], bare: bool
) -> None:
    absent = ("interval_half_width_z", "ood_threshold", "reject_threshold")
    model = make_model()
    calibration = model.manifest.calibration.model_copy(
        update=dict.fromkeys(absent if bare else ())
    )
    model = make_model(calibration=calibration)
    meta = {"model": model.describe(), "model_synthetic": True, "source_synthetic": True}
    told = SummaryContext.of_result(unpack_result(pack(meta)))
    assert told == SummaryContext.of(model.manifest, simulated_cells=True)
