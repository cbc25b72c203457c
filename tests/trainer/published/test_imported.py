"""An imported checkpoint gives what its own network gives, in every runtime, and claims nothing it does not know."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.trainer, pytest.mark.timeout(240)]

from phenostream.deploy.child import child_settings  # noqa: E402
from phenostream.deploy.cli.main import main  # noqa: E402
from phenostream.engine.backends.registry import open_backend  # noqa: E402
from phenostream.engine.bundle import Bundle, load_bundle  # noqa: E402
from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.engine.summary.facts import Facts  # noqa: E402
from phenostream.engine.summary.template import write_summary  # noqa: E402
from phenostream.engine.types import MARKERS  # noqa: E402
from phenostream.trainer.network.model import HybridNetwork  # noqa: E402
from phenostream.trainer.published import imported  # noqa: E402
from phenostream.trainer.published.imported import (  # noqa: E402
    Imported,
    ImportSettings,
    import_checkpoint,
    published_preprocess,
)
from phenostream.trainer.published.parity import load_reference  # noqa: E402

PARITY = Path(__file__).parents[3] / ".." / "shared" / "parity"
STATISTICS = {
    "unit": "a.u.",
    "scale": "log10",
    "markers": {name: {"mean": 2.0 + i, "sd": 0.5} for i, name in enumerate(MARKERS)},
}


def reference(path: Path, state: dict[str, Any], count: int = 70) -> Path:
    """What the bare network says of noise, from this state and nothing of the importer."""
    network = HybridNetwork()
    network.load_state_dict(state)
    x = np.random.default_rng(3).uniform(-1, 1, (count, 4, 28, 28)).astype(np.float32)
    with torch.inference_mode():
        logits, z, _ = network.eval()(torch.from_numpy(x))
    np.savez(path, x=x, class_logits=logits.numpy(), marker_z=z.numpy(), note=np.arange(3))
    return path


Made = tuple[Imported, Bundle, dict[str, Any], Path]


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    random_state: Callable[[], dict[str, Any]],
    published: Callable[..., dict[str, Any]],
) -> Made:
    folder = tmp_path_factory.mktemp("imported")
    state = random_state()
    torch.save(published({f"module.{k}": v for k, v in state.items()}), folder / "their model.pth")
    done = import_checkpoint(
        ImportSettings(
            folder / "their model.pth",
            folder / "deep" / "bundle",
            reference(folder / "reference.npz", state),
        )
    )
    return done, load_bundle(folder / "deep" / "bundle"), state, folder


def test_all_three_runtimes_give_the_reference(made: Made) -> None:
    done = made[0]
    assert [one.runtime for one in done.agreements] == ["torch", "onnxruntime", "openvino"]
    for one in done.agreements:
        assert one.good
        assert max(one.class_logits, one.marker_z) <= 1e-4
    assert done.written
    assert done.sha256 == made[1].sha256


def test_the_manifest_claims_nothing_that_a_checkpoint_does_not_tell(made: Made) -> None:
    manifest, folder = made[1].manifest, made[3]
    assert (manifest.preprocess, manifest.reduction_kernel) == ("affine", "bsccm-gaussian")
    assert manifest.markers == MARKERS
    assert manifest.marker_unit == "z, reference unknown"
    assert manifest.marker_transform.model_dump() == {
        "scale": "linear",
        "mean": (0, 0, 0, 0),
        "sd": (1, 1, 1, 1),
    }
    assert manifest.calibration.status == "uncalibrated"
    assert manifest.calibration.temperature == 1
    assert manifest.calibration.known_coverage is None
    assert manifest.calibration.ood_threshold is manifest.calibration.reject_threshold is None
    assert (manifest.synthetic, manifest.licence, manifest.metrics) == (False, "unknown", ())
    assert manifest.parameters == 1_816_244
    digest = hashlib.sha256((folder / "their model.pth").read_bytes()).hexdigest()
    assert (manifest.name, manifest.version) == ("their model", digest[:12])
    assert manifest.data_sha256 == digest
    for word in (
        "1.99265 f - 0.98529",
        "no background division",
        "illumination level",
        "bare soft",
    ):
        assert word in manifest.description


def test_the_graph_has_no_score_rejects_nothing_and_its_interval_is_as_wide_as_can_be(
    made: Made,
) -> None:
    said = made[1].golden.outputs
    assert not said.ood_score.any()
    assert said.reject_probability.max() < 1e-40
    np.testing.assert_array_equal(said.marker_estimate, said.marker_z)
    width = said.marker_interval[..., 1] - said.marker_interval[..., 0]
    np.testing.assert_allclose(width, 16, rtol=1e-6)
    powers = np.exp(said.class_logits.astype(np.float64))
    np.testing.assert_allclose(
        said.class_probability, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5
    )


def test_every_graph_of_the_bundle_passes_its_self_test_on_every_runtime(made: Made) -> None:
    done, bundle = made[:2]
    assert done.precisions == ("fp32", "fp16")
    for name, precision in (("onnxruntime", "fp32"), ("onnxruntime", "fp16"), ("openvino", "fp32")):
        open_backend(bundle, name, streams=1, precision=precision).close()  # type: ignore[arg-type]
    assert done.served_by.startswith("openvino ")


def test_the_golden_crops_are_cells_and_the_whole_range_of_input(made: Made) -> None:
    images = made[1].golden.crops.images
    assert len(images) == 32
    assert 0 <= images.min() < 0.001
    assert 0.999 < images.max() <= 1
    cells = images[:24]
    assert 0.3 < np.median(cells) < 0.45


def test_a_count_of_their_camera_becomes_their_input() -> None:
    count = np.array([30, 1530, 4095], np.float64)
    fraction = torch.tensor((count - 30) / 4065, dtype=torch.float32).reshape(1, 1, 1, -1)
    ours = published_preprocess()(fraction, torch.zeros(1, 1))
    exact = (count / 16 / 255 - 0.5) / 0.5
    np.testing.assert_allclose(ours.numpy().ravel(), exact, atol=1e-6)
    truncated = (np.floor(count / 16) / 255 - 0.5) / 0.5
    assert ((exact - truncated) >= 0).all()
    assert ((exact - truncated) <= 2 / 255).all()


def test_the_background_has_no_effect_on_an_affine_bundle(made: Made) -> None:
    crops = made[1].golden.crops
    for name in ("onnxruntime", "openvino"):
        backend = open_backend(made[1], name, streams=1)
        dim = backend.infer(crops.images[:4], np.full((4, 4), 0.1, np.float32))
        lit = backend.infer(crops.images[:4], np.full((4, 4), 0.9, np.float32))
        np.testing.assert_array_equal(dim.class_logits, lit.class_logits)


def test_a_daemon_serves_it_and_says_what_it_cannot_tell(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(made[1].path)
    words = ["demo", "--bundle", bundle, "--frames", "2", "--size", "256", "--json"]
    assert main([*words, "--llm", "none"]) == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    facts, text = summary["facts"], summary["text"]
    assert facts["classified"] > 0
    assert facts["rejected"] == 0
    assert (facts["calibrated"], facts["rejects"], facts["unusual"]) == (False, False, None)
    assert facts["interval_coverage"] is None
    assert "This model does not tell whether a cell is a white cell at all" in text
    in_full = write_summary(Facts.from_dict(facts), "lab")
    assert "(unit: “z, reference unknown”)" in in_full
    assert "without an interval, for this model has none" in in_full
    assert "This model does not tell whether a cell is a white cell at all" in in_full


def test_check_says_that_it_is_uncalibrated(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.toml").write_text(child_settings(str(made[1].path)))
    assert main(["check", "--config", str(tmp_path / "c.toml")]) == 0
    assert "UNCALIBRATED" in capsys.readouterr().out


def test_statistics_give_estimates_in_their_unit(made: Made, tmp_path: Path) -> None:
    (tmp_path / "stats.json").write_text(json.dumps(STATISTICS))
    settings = ImportSettings(
        made[3] / "their model.pth",
        tmp_path / "bundle",
        statistics=tmp_path / "stats.json",
        name="named",
        version="2",
        licence="MIT",
        synthetic=True,
    )
    done = import_checkpoint(settings)
    bundle = load_bundle(tmp_path / "bundle")
    manifest, said = bundle.manifest, bundle.golden.outputs
    assert (manifest.marker_unit, manifest.marker_transform.scale) == ("a.u.", "log10")
    assert (manifest.name, manifest.version, manifest.licence) == ("named", "2", "MIT")
    assert manifest.synthetic
    assert manifest.calibration.status == "uncalibrated"
    assert done.agreements == ()
    expected = 10 ** (said.marker_z.astype(np.float64) * 0.5 + np.arange(2, 6))
    np.testing.assert_allclose(said.marker_estimate, expected, rtol=1e-4)


def test_a_reference_that_is_not_reproduced_leaves_what_was_there(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written_before(_checkpoint: object, folder: Path, **_: object) -> None:
        shutil.copytree(made[1].path, folder)

    monkeypatch.setattr(imported, "write_bundle", written_before)  # the same bundle, quicker
    with np.load(made[3] / "reference.npz") as arrays:
        wrong = dict(arrays)
    wrong["marker_z"] = wrong["marker_z"] + np.float32(2e-4)
    np.savez(tmp_path / "wrong.npz", **wrong)
    out = tmp_path / "bundle"
    out.mkdir()
    settings = ImportSettings(made[3] / "their model.pth", out, tmp_path / "wrong.npz")
    done = import_checkpoint(settings)
    assert not done.written
    assert [one.good for one in done.agreements] == [False] * 3
    assert all(one.class_logits <= 1e-4 < one.marker_z for one in done.agreements)
    assert list(out.iterdir()) == []
    assert sorted(os.listdir(tmp_path)) == ["bundle", "wrong.npz"]


def test_float16_that_does_not_fit_is_left_out(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Weights whose logits are in the tens: float16 has too few digits for 5e-3, and bfloat16 for 5e-2."""
    state = {name: value.clone() for name, value in made[2].items()}
    state["classifier.classifier.8.weight"] *= 30
    torch.save(state, tmp_path / "loud.pth")
    done = import_checkpoint(ImportSettings(tmp_path / "loud.pth", tmp_path / "bundle"))
    assert done.precisions == ("fp32",)
    assert done.served_by.endswith("fp32")
    assert set(load_bundle(tmp_path / "bundle").files) == {"model.onnx", "golden.npz"}
    said = [record.message for record in caplog.records]
    assert any(line.startswith("float16 is left out: exported graph: class_") for line in said)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("name", "", "--name '': allowed 1 to 64 printable characters"),
        ("name", "a\nb", "--name 'a"),
        ("version", "1" * 33, "allowed 1 to 32 printable"),
        ("licence", "", "--licence '': allowed 1 to 128"),
    ],
)
def test_names_that_no_manifest_takes_are_refused_first(
    tmp_path: Path, key: str, value: str, says: str
) -> None:
    with pytest.raises(BadInput) as raised:
        ImportSettings(tmp_path / "a.pth", tmp_path / "b", **{key: value})  # type: ignore[arg-type]
    assert says in str(raised.value)


def test_a_folder_that_holds_the_checkpoint_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds a\.pth, which replacing it would remove"):
        ImportSettings(tmp_path / "b" / "a.pth", tmp_path / "b")


def test_nothing_is_read_before_the_folder_was_judged(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(BadInput, match="not empty and not a bundle"):
        import_checkpoint(ImportSettings(tmp_path / "absent.pth", tmp_path / "out"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="is a file, expected a folder to write"):
        import_checkpoint(ImportSettings(tmp_path / "absent.pth", tmp_path / "file"))


GOOD = {
    "x": np.zeros((2, 4, 28, 28), np.float32),
    "class_logits": np.zeros((2, 3), np.float32),
    "marker_z": np.zeros((2, 4), np.float32),
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"x": None}, "x is missing; expected x, class_logits, marker_z"),
        ({"marker_z": None}, "marker_z is missing"),
        ({"x": np.zeros((2, 3, 28, 28), np.float32)}, "x: float32 (2, 3, 28, 28), expected floats"),
        ({"x": np.zeros((0, 4, 28, 28), np.float32)}, "with one N from 1 to 4096"),
        ({"x": np.float32(1)}, "x: float32 (), expected"),
        ({"x": np.zeros((2, 4, 28, 28), np.uint8)}, "x: uint8 (2, 4, 28, 28), expected floats"),
        ({"marker_z": np.zeros((3, 4), np.float32)}, "marker_z: float32 (3, 4), expected"),
        ({"x": np.full((2, 4, 28, 28), 9.0)}, "x: beyond 8 or not a number"),
        ({"x": np.full((2, 4, 28, 28), np.nan)}, "x: beyond 8 or not a number"),
        ({"class_logits": np.full((2, 3), np.inf)}, "class_logits: beyond 3.4e+38 or not a number"),
        ({"class_logits": np.array([[None] * 3] * 2)}, "not an archive of plain arrays"),
    ],
)
def test_a_reference_of_another_shape_is_refused(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    arrays = {key: value for key, value in (GOOD | changes).items() if value is not None}
    np.savez(tmp_path / "r.npz", **arrays)
    with pytest.raises(BadInput) as raised:
        load_reference(tmp_path / "r.npz")
    assert str(raised.value).startswith("r.npz: ")
    assert says in str(raised.value)


def test_a_reference_that_would_run_code_is_refused_and_nothing_runs(
    tmp_path: Path, evil: Any, canary: Path
) -> None:
    np.savez(tmp_path / "r.npz", **GOOD | {"x": np.array([evil], dtype=object)})
    np.save(tmp_path / "r.npy", np.array([evil], dtype=object))
    for name in ("r.npz", "r.npy"):
        with pytest.raises(BadInput, match="not an archive of plain arrays"):
            load_reference(tmp_path / name)
    assert not canary.exists()


@pytest.mark.parametrize("content", [b"", b"noise" * 100, b"PK\x03\x04"])
def test_a_file_that_is_no_reference_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.npz").write_bytes(content)
    with pytest.raises(BadInput, match=r"^r\.npz: not an archive of plain arrays"):
        load_reference(tmp_path / "r.npz")
    with pytest.raises(BadInput, match=r"^absent\.npz: cannot be read \(No such file"):
        load_reference(tmp_path / "absent.npz")
    with pytest.raises(BadInput, match="cannot be read"):
        load_reference(tmp_path)


@pytest.mark.skipif(not PARITY.is_dir(), reason="../shared/parity is absent")
def test_the_published_reference_is_reproduced_to_1e_4(tmp_path: Path) -> None:
    settings = ImportSettings(
        PARITY / "published_layout.pth", tmp_path / "bundle", PARITY / "reference.npz"
    )
    done = import_checkpoint(settings)
    assert done.written
    assert all(one.good for one in done.agreements)
