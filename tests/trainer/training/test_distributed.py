"""Two processes under torchrun end where one process ends; only dropout, which is off here, is each process's own."""

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from tests.trainer.training.shared_training import train_shared  # noqa: E402

ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(400)
def test_two_processes_give_what_one_gives_for_the_same_global_batch(tmp_path: Path) -> None:
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    two = subprocess.Popen(
        [
            sys.executable,
            "-m",
            *command,
            "tests.trainer.training.shared_training",
            str(tmp_path / "two"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    train_shared(tmp_path / "one")
    said, _ = two.communicate(timeout=300)
    assert two.returncode == 0, said.decode()
    files = [tmp_path / name / "end.safetensors" for name in ("one", "two")]
    one, other = (load_file(file) for file in files)
    assert one.keys() == other.keys()
    apart = {
        name: float((value.double() - other[name].double()).abs().max())
        for name, value in one.items()
        if not name.endswith("num_batches_tracked")
    }
    assert max(apart.values()) < 1e-4, sorted(apart.items(), key=lambda pair: -pair[1])[:5]
    losses = []
    for file in files:
        with safe_open(file, framework="pt") as opened:
            losses.append(float(opened.metadata()["loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
