"""Wheels from the package registry that this box's pip is set up for, or from a folder; nothing is installed or run."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from phenostream.engine.errors import MissingPackage, PhenostreamError

_LOOK_EVERY_S: Final = 0.2
"""How often the bar moves while pip works."""
_TAIL_BYTES: Final = 16 << 10
OnBytes = Callable[[int], None]


class DownloadFailed(PhenostreamError):
    """A package did not come; the text is what pip said last."""


def download(
    requirement: str, folder: Path, wheels: Path | None = None, on_bytes: OnBytes = lambda n: None
) -> Path:
    """One wheel, without what it depends on.

    Args:
        requirement: ``name==version``.
        folder: An empty folder of the caller's, for the wheel and what pip needs meanwhile.
        wheels: Take it from this folder, and from no registry.
        on_bytes: Called now and then with the bytes that have come so far.

    Returns:
        The wheel, in `folder`.

    Raises:
        MissingPackage: This Python has no pip.
        DownloadFailed: pip did not bring it.
    """
    meanwhile = folder / "meanwhile"
    meanwhile.mkdir()
    command = [sys.executable, "-P", "-m", "pip", "--no-input", "--disable-pip-version-check"]
    command += ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--dest", str(folder)]
    if wheels is not None:
        command += ["--no-index", "--find-links", str(wheels.resolve())]
    with (folder / "pip.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - pip of this very Python, no shell
            [*command, "--", requirement],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": str(meanwhile)},
        )
        try:
            while not _has_ended(process):
                on_bytes(sum(_sizes(meanwhile)))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    found = sorted(folder.glob("*.whl"))
    if process.returncode != 0 or len(found) != 1:
        raise _failure(requirement, folder / "pip.log")
    return found[0]


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(_LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _sizes(folder: Path) -> Iterator[int]:
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(where, name)).st_size
            except FileNotFoundError:  # pip moved it meanwhile
                continue


def _failure(requirement: str, log: Path) -> PhenostreamError:
    content = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    lines = [line.strip() for line in content.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return MissingPackage(f"{sys.executable} has no pip: {sys.executable} -m ensurepip")
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    said = (errors or lines or ["pip said nothing"])[-1]
    return DownloadFailed(f"{requirement}: {said[:200]}")
