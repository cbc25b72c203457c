"""`adapt` fits a bundle to a recording's cells, says in the new bundle what was done, and refuses in one line."""

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.trainer, pytest.mark.timeout(240)]

from phenostream.daemon.client.stream import SourceFrame  # noqa: E402
from phenostream.daemon.recordings.writer import write_recording  # noqa: E402
from phenostream.daemon.run_id import new_run_id  # noqa: E402
from phenostream.deploy.bench.truth import read_truth, write_truth  # noqa: E402
from phenostream.deploy.cli.main import BAD_USAGE, main  # noqa: E402
from phenostream.deploy.labelled_cells import with_truth  # noqa: E402
from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope  # noqa: E402
from phenostream.deploy.site_cells import SiteCells, read_site_cells  # noqa: E402
from phenostream.engine.backends.registry import open_backend  # noqa: E402
from phenostream.engine.bundle import Bundle, load_bundle  # noqa: E402
from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.engine.manifest import Manifest, Prior  # noqa: E402
from phenostream.engine.types import SHOTS  # noqa: E402
from phenostream.trainer.adaptation.reference import (  # noqa: E402
    measure_reference,
    network_input,
)
from phenostream.trainer.adaptation.statistics import sweep  # noqa: E402
from phenostream.trainer.calibration.calibrate import fill  # noqa: E402
from phenostream.trainer.export import write_bundle  # noqa: E402
from tests.trainer.test_export import checkpoint  # noqa: E402

DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"
FRAMES = 3


class Recorded(NamedTuple):
    recording: Path
    truth: Path


def manifest() -> Manifest:
    return load_bundle(DEMO).manifest


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Some 280 white cells of a simulated microscope, and what they are."""
    folder = tmp_path_factory.mktemp("site")
    settings = MicroscopeSettings(size_px=1024, pixel_size_um=0.343, rendered=60)
    microscope = SimulatedMicroscope(settings, folder)
    start = microscope.start(new_run_id(), FRAMES)
    write_recording(folder / "site.phenorec", start, microscope.frames(FRAMES), level=1)
    write_truth(folder / "truth.json", microscope.truth())
    return Recorded(folder / "site.phenorec", folder / "truth.json")


@pytest.fixture(scope="module")
def bundle(site: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights whose training were the site's own cells, and which hardly reject or prefer anything."""
    plain = checkpoint()
    cells = with_truth(read_site_cells(site.recording, manifest()), read_truth(site.truth))
    few = cells.select(np.flatnonzero(cells.white)[::3])
    own = plain.card.calibration.model_copy(
        update={"prior": Prior(shares=(0.35, 0.45, 0.2), stated=False), "ood_threshold": 1e6}
    )
    fill(plain.graph, own)
    with torch.no_grad():
        plain.graph.get_parameter("phenotyper.reject.2.bias").fill_(-9.0)
        plain.graph.get_parameter("phenotyper.network.classifier.classifier.8.weight").mul_(0.01)
    inputs = torch.cat(network_input(plain.graph, few))
    sweep(plain.graph.phenotyper, inputs, torch.ones(len(inputs)), lambda _name, seen: seen)
    reference = measure_reference(plain.graph, few)
    card = plain.card.model_copy(update={"calibration": own})
    folder = tmp_path_factory.mktemp("adapt") / "bundle"
    return write_bundle(replace(plain, card=card, reference=reference), folder)


class Adapted(NamedTuple):
    folder: Path
    told: dict[str, Any]


@pytest.fixture(scope="module")
def adapted(site: Recorded, bundle: Path) -> Adapted:
    out, said = bundle.parent / "site_bundle", io.StringIO()
    words = ["adapt", "--bundle", bundle, "--from", site.recording, "--truth", site.truth, "--json"]
    words += ["--test", site.recording, "--priors", "estimate", "--most-cells", "210", out]
    with redirect_stdout(said):
        assert main([*map(str, words)]) == 0
    return Adapted(out, json.loads(said.getvalue()))


@pytest.fixture(scope="module")
def new(adapted: Adapted) -> Bundle:
    return load_bundle(adapted.folder)


def test_the_new_bundle_loads_and_says_what_was_done(
    new: Bundle, bundle: Path, site: Recorded
) -> None:
    told = new.manifest.adapted
    assert told is not None
    assert new.manifest.name == "random-adapted"
    assert new.manifest.version == f"0+{told.source_sha256[:8]}"
    assert told.source == "site.phenorec of simulated-dpc"
    assert (told.cells, told.frames, told.synthetic) == (210, FRAMES, True)
    assert told.from_sha256 == load_bundle(bundle).sha256
    assert len(told.layers) == 12
    assert max(layer.mean for layer in told.layers) < 0.5
    prior = new.manifest.calibration.prior
    assert prior is not None
    assert prior.shares == pytest.approx(told.shares)
    assert new.manifest.metrics == ()
    assert new.manifest.normalisation is None
    open_backend(new).close()


def test_all_else_of_the_model_is_as_it_was(new: Bundle, bundle: Path) -> None:
    before = load_bundle(bundle).manifest
    for name in ("marker_transform", "synthetic", "data_sha256", "training", "parameters"):
        assert getattr(new.manifest, name) == getattr(before, name)
    kept = {"class_bias", "prior"}
    assert new.manifest.calibration.model_dump(exclude=kept) == before.calibration.model_dump(
        exclude=kept
    )


def test_the_demo_bundle_can_be_fitted_to_a_site(site: Recorded, tmp_path: Path) -> None:
    words = ["adapt", "--bundle", "demo", "--from", site.recording, "--most-cells", "400"]
    assert main([*map(str, words), str(tmp_path / "site")]) == 0
    fitted = load_bundle(tmp_path / "site").manifest
    assert fitted.name == "phenostream-demo-adapted"
    assert fitted.adapted is not None
    assert fitted.adapted.from_sha256 == load_bundle(DEMO).sha256


def test_a_fitted_bundle_is_not_fitted_again(
    adapted: Adapted, site: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["adapt", "--bundle", adapted.folder, "--from", site.recording, tmp_path / "out"]
    assert main([*map(str, words)]) == 2
    assert "is fitted to site.phenorec of simulated-dpc already" in _line(capsys)
    assert not (tmp_path / "out").exists()


def test_the_bundle_to_fit_is_not_written_over(
    site: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in DEMO.iterdir()}
    same = DEMO.parent / "bench" / ".." / DEMO.name
    words = ["adapt", "--bundle", str(DEMO), "--from", str(site.recording), str(same)]
    assert main(words) == BAD_USAGE
    assert "is the bundle to fit, expected another folder to write" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in DEMO.iterdir()} == before


def test_the_comparison_is_of_the_same_labelled_cells(adapted: Adapted) -> None:
    (one,) = adapted.told["comparisons"]
    assert (one["synthetic"], one["fitted_on"]) == (True, False)
    assert one["white"] > 150
    assert one["others"] > 50
    rows = {change["name"]: change for change in one["changes"]}
    for name in ("balanced accuracy", "accuracy", "recall monocyte", "other objects rejected"):
        before, after, difference = (rows[name][key] for key in ("before", "after", "difference"))
        assert difference["value"] == pytest.approx(after["value"] - before["value"])
        assert before["n"] == after["n"] == difference["n"] > 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prior-cells", "-1"], "prior-cells: -1"),
        (["--most-cells", "7"], "most-cells: 7"),
        (["--test", "b.phenorec"], "--test: allowed only with --truth"),
        (["--labelled", "simulated:soft"], "--labelled simulated:soft: allowed a file of cells"),
        (["--truth", "nowhere.json"], "nowhere.json: No such file"),
    ],
)
def test_bad_usage_is_told_in_one_line(
    bundle: Path,
    site: Recorded,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    command = ["adapt", "--bundle", bundle, "--from", site.recording, tmp_path / "out", *words]
    assert main([*map(str, command)]) == 2
    assert said in _line(capsys)
    assert not (tmp_path / "out").exists()


def rerecorded(site: Recorded, path: Path, changes: dict[str, object]) -> Path:
    """Frames of the same size that say something else of themselves."""
    settings = MicroscopeSettings(size_px=1024, pixel_size_um=0.343, rendered=60)
    microscope = SimulatedMicroscope(settings, site.recording.parent)
    start = microscope.start(new_run_id(), 1).model_copy(update=changes)
    count = len(start.shots)
    sent = [SourceFrame(0, microscope.frame(0)[:count].copy())]
    write_recording(path, start, sent, level=1)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shots": ("left",)}, "shots left, the model takes left+right+top+bottom"),
        ({"pixel_size_um": 0.75}, "pixel_size_um 0.75 is coarser than the model's 0.686"),
        ({}, "cells inside the frames, allowed 200 or more"),
    ],
)
def test_recordings_that_do_not_fit_are_refused_in_one_line(
    bundle: Path,
    site: Recorded,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, object],
    said: str,
) -> None:
    path = rerecorded(site, tmp_path / "odd.phenorec", changes)
    command = ["adapt", "--bundle", bundle, "--from", path, tmp_path / "out"]
    assert main([*map(str, command)]) == 2
    assert said in _line(capsys)


def test_a_file_that_is_no_recording_is_refused(
    bundle: Path, site: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["adapt", "--bundle", bundle, "--from", site.truth, tmp_path / "out"]
    assert main([*map(str, command)]) == 2
    assert "truth.json: " in _line(capsys)


def test_a_truth_of_other_frames_is_refused(site: Recorded) -> None:
    cells, truth = read_site_cells(site.recording, manifest()), read_truth(site.truth)
    with pytest.raises(BadInput, match="frame 2 of the recording is not in the truth"):
        with_truth(cells, truth.model_copy(update={"frames": truth.frames[:2]}))
    with pytest.raises(BadInput, match=r"pixel_size_um 0\.2, the recording 0\.343"):
        with_truth(cells, truth.model_copy(update={"pixel_size_um": 0.2}))


def test_cells_are_the_daemons_and_bounded(site: Recorded) -> None:
    some: SiteCells = read_site_cells(site.recording, manifest(), most_cells=50)
    assert len(some.frames) == 1
    whole = read_site_cells(site.recording, manifest())
    assert len(whole.frames) == FRAMES
    assert whole.instruments == ("simulated-dpc",)
    assert whole.synthetic
    assert len(SHOTS) == whole.crops.images.shape[1]
    assert len(whole) == len(whole.crops) == len(whole.frame) == len(whole.y_px)
    np.testing.assert_array_equal(whole.crops.images[: len(some)], some.crops.images)


def _line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert "Traceback" not in line
    return line
