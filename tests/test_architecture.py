"""The import contracts hold, and they catch a violation when one is seeded."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("daemon", "deploy", "engine", "trainer")


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over `tree`, laid out as the import package it is."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(
        command,
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={"PYTHONPATH": str(tree)},
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code as the package `phenostream`, with the contracts beside it."""
    package = tmp_path / "phenostream"
    for folder in FOLDERS:
        shutil.copytree(
            ROOT / folder,
            package / folder,
            ignore=lambda _d, names: [n for n in names if n.endswith(".onnx")],
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(tree: Path) -> None:
    done = _lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("engine/reduce.py", "import torch"),
        ("engine/reduce.py", "import phenostream.daemon.wire.codec"),
        ("daemon/ledger.py", "import phenostream.trainer.network.model"),
        ("trainer/network/model.py", "import phenostream.daemon.ledger"),
        ("daemon/ledger.py", "import phenostream.deploy.cli.main"),
    ],
)
def test_a_seeded_violation_is_caught(tree: Path, module: str, line: str) -> None:
    target = tree / "phenostream" / module
    target.write_text(target.read_text() + f"\n{line}\n")
    done = _lint(tree)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout
