import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from phenostream.engine.errors import BadInput
from phenostream.trainer.evaluation.report.files import read_report
from phenostream.trainer.reproduce import seed_run
from phenostream.trainer.reproduce.run import Finished, reproduce
from phenostream.trainer.reproduce.settings import ReproduceSettings
from phenostream.trainer.reproduce.stages import StageDone

pytestmark = [pytest.mark.trainer, pytest.mark.timeout(400)]
EPOCHS = 2


def settings(mirror: Path, out: Path, **chosen: object) -> ReproduceSettings:
    values = {"protocol": "clean", "seeds": 1, "quick": True, "epochs": EPOCHS, "ablations": False}
    return ReproduceSettings.model_validate({"bsccm": mirror, "out": out, **values, **chosen})


@pytest.fixture(scope="session")
def whole(blob_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run that nothing interrupted."""
    return reproduce(settings(blob_mirror, tmp_path_factory.mktemp("whole")), lambda done: None)


def test_every_section_of_a_report_is_there(whole: Finished) -> None:
    (evaluation,) = whole.reproduction.evaluations
    assert evaluation.classification is not None
    assert evaluation.calibration is not None
    assert len(evaluation.markers) == 4
    assert evaluation.outliers is not None
    kinds = {kind.name for kind in evaluation.outliers.kinds}
    assert {"red", "ungated", "unknown gate", "swap left-right"} <= kinds
    assert evaluation.baselines
    assert evaluation.controls
    assert evaluation.gallery is not None
    assert evaluation.references
    page = whole.files["html"].read_text()
    assert "synthetic" in page.lower()
    assert read_report(whole.files["json"]) == whole.reproduction


def test_a_tiny_test_class_gets_no_headline_and_simulated_cells_no_verdict(whole: Finished) -> None:
    (evaluation,) = whole.reproduction.evaluations
    assert evaluation.headline.refusal is not None
    assert all(verdict.reproduced is None for verdict in whole.reproduction.verdicts)
    assert whole.reproduction.synthetic


def test_a_finished_run_is_only_read(whole: Finished, blob_mirror: Path) -> None:
    out = whole.files["json"].parent.parent
    told: list[StageDone] = []
    again = reproduce(settings(blob_mirror, out), told.append)
    assert again.reproduction == whole.reproduction
    assert [one.name for one in told if not one.kept] == ["split"]


def test_two_runs_never_share_a_folder(whole: Finished, blob_mirror: Path) -> None:
    own = settings(blob_mirror, whole.files["json"].parent.parent)

    def another(_done: StageDone) -> None:
        with pytest.raises(BadInput, match="another reproduction is running in it"):
            reproduce(own, lambda done: None)

    reproduce(own, another)


def test_too_few_labelled_cells_are_reported_and_not_trained_on(
    tiny_mirror: Path, tmp_path: Path
) -> None:
    finished = reproduce(settings(tiny_mirror, tmp_path), lambda done: None)
    assert finished.reproduction.refusal is not None
    assert finished.reproduction.evaluations == ()
    assert finished.reproduction.data is not None
    assert {verdict.reproduced for verdict in finished.reproduction.verdicts} == {None}
    assert finished.reproduction.refusal in finished.files["markdown"].read_text()
    assert "seed-1" not in {path.name for path in finished.files["html"].parent.iterdir()}


def test_a_killed_run_ends_as_one_that_was_not(
    whole: Finished, blob_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = tmp_path / "clean-quick" / "seed-1"
    _kill_when(blob_mirror, tmp_path, (seed / "resume.safetensors").exists)
    assert not (seed / "performance.json").exists()
    monkeypatch.setattr(seed_run, "add_context", lambda evaluation, *rest: evaluation)
    finished = reproduce(settings(blob_mirror, tmp_path), lambda done: None)
    ours = {one.name: one.mean for one in finished.reproduction.spread}
    theirs = {one.name: one.mean for one in whole.reproduction.spread}
    assert ours == pytest.approx(theirs, abs=1e-5)


def _kill_when(mirror: Path, out: Path, reached: Callable[[], bool]) -> None:
    """Run the command and kill it with SIGKILL as soon as it has come so far."""
    words = ["--bsccm", mirror, "--protocol", "clean", "--seeds", 1, "--quick", "--out", out]
    words += ["--epochs", EPOCHS, "--no-ablations"]
    code = "import sys; from phenostream.deploy.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "reproduce", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        pause = threading.Event()
        while process.poll() is None and not reached():
            pause.wait(0.02)
        process.send_signal(signal.SIGKILL)
        said = process.communicate()[1]
    assert process.returncode == -signal.SIGKILL, said
