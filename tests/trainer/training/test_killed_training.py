"""kill -9 during a training: the next start goes on, and ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from safetensors.torch import load_file  # noqa: E402
from torch import equal  # noqa: E402

from phenostream.trainer.checkpoint import CARD, WEIGHTS  # noqa: E402
from phenostream.trainer.training.progress import FILE  # noqa: E402
from tests.system.patience import becomes  # noqa: E402
from tests.trainer.training.blob_training import train_blobs  # noqa: E402

ROOT = Path(__file__).parents[3]
SETTINGS = {"epochs": 4, "batch": 24, "precision": "fp32", "network": {"cnn": False}}


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.trainer.training.blob_training", str(folder)]
    return subprocess.Popen([*command, json.dumps(SETTINGS)], cwd=ROOT, stderr=subprocess.PIPE)


def metrics(folder: Path) -> Any:
    return json.loads((folder / CARD).read_text())["metrics"]


@pytest.mark.timeout(400)
def test_a_killed_training_goes_on_and_ends_with_the_same_figures(tmp_path: Path) -> None:
    killed = start(tmp_path / "killed")
    assert any(
        becomes((tmp_path / "killed" / FILE).exists) for _ in range(4)
    )  # torch starts slowly
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / CARD).exists()
    again = start(tmp_path / "killed")
    train_blobs(tmp_path / "whole", SETTINGS)
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said.decode()
    assert metrics(tmp_path / "whole"), "there is something to compare"
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    first, second = (load_file(tmp_path / name / WEIGHTS) for name in ("killed", "whole"))
    assert all(equal(value, second[name]) for name, value in first.items())
