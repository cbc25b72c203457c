"""The wheel of this tree, its dependencies, and a release made of them, kept in `work/service` between runs.

A release is a virtual environment of the system's own Python (/usr/bin/python3: one of a home folder cannot be read
under ProtectHome), meant for `PLACE` inside a container.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.system.daemon_process import ROOT

CACHE: Final = ROOT / "work" / "service"
PLACE: Final = "/opt/phenostream/releases/test"
EXTRAS: Final = ("monitor",)
SYSTEM_PYTHON: Final = "/usr/bin/python3"
_OURS: Final = ("daemon", "deploy", "engine", "trainer", "systemd")
_QUIET: Final = ("--quiet", "--disable-pip-version-check", "--no-input")
_EPOCH: Final = "315532800"
"""1980, the first year of a zip: the same tree gives the same wheel."""


def wheels() -> Path:
    """A folder with our wheel and all that it needs, for an installation without a network."""
    folder, wheel = CACHE / "wheels", _wheel()
    needed = f"{_digest((ROOT / 'pyproject.toml', ROOT / 'constraints.txt'))} {EXTRAS}"
    mark = folder / "complete"
    if not mark.exists() or mark.read_text() != needed:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pins = ("-c", str(ROOT / "constraints.txt"))
        wanted = f"{wheel}[{','.join(EXTRAS)}]"
        _pip(sys.executable, "wheel", *pins, "--wheel-dir", str(folder), wanted)
        mark.write_text(needed)
    for old in folder.glob("phenostream-*.whl"):
        old.unlink()
    shutil.copy(wheel, folder)
    return folder


def release() -> Path:
    """A virtual environment with our wheel in it, which works at `PLACE` and nowhere else."""
    folder, found = CACHE / "release", wheels()
    needed = "\n".join(sorted(path.name for path in found.glob("*.whl"))) + _digest(
        tuple(found.glob("phenostream-*.whl"))
    )
    mark = folder / "complete"
    if mark.exists() and mark.read_text() == needed:
        return folder
    python = folder / "bin" / "python"
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([SYSTEM_PYTHON, "-m", "venv", str(folder)], check=True)
    mark.unlink(missing_ok=True)
    (wheel,) = found.glob("phenostream-*.whl")
    offline = ("install", "--no-index", "--find-links", str(found))
    _pip(str(python), *offline, f"{wheel}[{','.join(EXTRAS)}]")
    _pip(str(python), *offline, "--no-deps", "--force-reinstall", str(wheel))
    script = folder / "bin" / "phenostream"
    script.write_text(script.read_text().replace(str(folder), PLACE))  # pip knows only where it ran
    mark.write_text(needed)
    return folder


def _wheel() -> Path:
    """Our wheel, built when something in the tree has changed."""
    folder = CACHE / "built"
    files = [path for name in _OURS for path in (ROOT / name).rglob("*") if _counts(path)]
    needed = _digest((ROOT / "pyproject.toml", ROOT / "MANIFEST.in", *sorted(files)))
    mark = folder / "complete"
    if not mark.exists() or mark.read_text() != needed:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.rmtree(ROOT / "build", ignore_errors=True)  # it would bring back files that are gone
        how = ("--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
        _pip(sys.executable, "wheel", *how, str(ROOT))
        mark.write_text(needed)
    (wheel,) = folder.glob("phenostream-*.whl")
    return wheel


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _digest(paths: tuple[Path, ...]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(str(path.relative_to(ROOT)).encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _pip(python: str, *words: str) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [python, "-m", "pip", words[0], *_QUIET, *words[1:]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"pip {' '.join(words)}: {done.stderr[-2000:]}"
