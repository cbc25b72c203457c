"""A swap between real models on a real runtime, by the command a person types: what it shows, and its exit code."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenostream.daemon.client.control import Control
from phenostream.deploy.bundles import demo_bundle
from phenostream.deploy.cli.main import FAILED, GOOD, main
from tests.system.daemon_process import DaemonProcess
from tests.system.other_bundles import Other, write_other
from tests.system.small_camera import small_frame, small_start
from tests.system.streaming_microscope import Microscope

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
SHIFT_Z = 0.05
REST_S = 0.02
"""Between two frames: a model is loaded behind the frames, on a box that does nothing else it takes for ever."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """On the shipped bundle and OpenVINO."""
    made = DaemonProcess(tmp_path_factory.mktemp("d"), demo_bundle(), backend="openvino")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def microscope(daemon: DaemonProcess) -> Iterator[Microscope]:
    """Streams throughout the test; every frame must have been published."""
    made = Microscope(
        daemon.ready["ingest"], small_start(), small_frame(), most_unacked=8, pause_s=REST_S
    )
    made.start()
    yield made
    made.enough.set()
    made.join(60)
    assert made.failure is None
    assert made.report is not None
    assert made.report.ledger["published"] == made.report.ledger["received"] == made.sent


def load(daemon: DaemonProcess, bundle: Path, *words: str) -> int:
    return main(["model", "load", str(bundle), "--to", daemon.ready["control"], *words])


def test_a_model_with_wrong_golden_outputs_is_refused_with_the_difference(
    daemon: DaemonProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = write_other(tmp_path / "b", Other(logits=(8, 0, 0), true_golden=False))
    assert load(daemon, wrong, "--now") == FAILED
    shown = capsys.readouterr().out
    assert shown.startswith(
        "REFUSED: the new model does not serve, phenostream-demo 0.3.1 serves on"
    )
    assert "golden class_logits differs by 8" in shown


def test_a_model_with_other_markers_is_refused_by_how_far_they_moved(
    daemon: DaemonProcess,
    microscope: Microscope,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    moved = write_other(tmp_path / "b", Other(marker_z=10 * SHIFT_Z))
    assert load(daemon, moved, "--cells", "50", "--json") == FAILED
    swap = json.loads(capsys.readouterr().out)
    assert swap["state"] == "refused"
    assert "0.1" in swap["reason"]


def test_a_model_that_agrees_serves_and_the_report_tells_the_small_shift(
    daemon: DaemonProcess,
    microscope: Microscope,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    near = write_other(tmp_path / "b", Other(version="0.2.1", marker_z=SHIFT_Z))
    assert load(daemon, near, "--cells", "50", "--max-slowdown", "20") == GOOD
    shown = capsys.readouterr().out
    assert shown.startswith("phenostream-demo 0.2.1 serves")
    with Control(daemon.ready["control"]) as control:
        assert control.model()["version"] == "0.2.1"
        report = control.model_swap()["report"]
    assert report["agreement"] == 1.0
