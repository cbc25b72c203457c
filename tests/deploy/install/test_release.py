"""A release is a virtual environment of the box's Python, whole or not there; made here for real, of toy wheels."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from phenostream.deploy.install.commands import run
from phenostream.deploy.install.errors import InstallFailed
from phenostream.deploy.install.places import Places
from phenostream.deploy.install.python import Python, find_python
from phenostream.deploy.install.release import (
    _pip,
    check_fits,
    extras_of,
    is_whole,
    make_release,
    offline,
    online,
    releases,
)
from phenostream.deploy.install.wheelhouse import ABOUT, SUMS, read_wheelhouse
from phenostream.deploy.install.wheels import file_sha256, read_wheel
from phenostream.engine.errors import BadConfig
from tests.deploy.install.toy_box import toy_wheel


def folder_of(wheel: Path, python: str) -> Path:
    """A folder as `bundle-wheels` leaves it, with one wheel that needs no other."""
    folder = wheel.parent / "wheels"
    folder.mkdir()
    shutil.copy(wheel, folder)
    (folder / ABOUT).write_text(
        f'{{"format": 1, "version": "1.0", "extras": [], "python": "{python}", "platform": "any"}}'
    )
    names = sorted(path.name for path in folder.iterdir())
    (folder / SUMS).write_text("".join(f"{file_sha256(folder / n)}  {n}\n" for n in names))
    return folder


@pytest.mark.timeout(240)
def test_a_release_is_made_without_a_network_and_its_program_runs(tmp_path: Path) -> None:
    python = find_python(None, run)
    software = offline(read_wheelhouse(folder_of(toy_wheel(tmp_path), python.minor)), None)
    places = Places(tmp_path / "root")
    lines: list[str] = []
    release = make_release(software, python, places, run, lines.append)
    assert any(line.startswith(("Collecting", "Processing")) for line in lines)
    assert is_whole(release)
    assert releases(places) == [release]
    assert extras_of(release) == ()
    said = subprocess.run(
        [release / "bin" / "phenostream", "--version"], capture_output=True, text=True
    )
    assert said.stdout == "phenostream of a test\n"
    assert os.stat(release / "bin" / "python").st_mode & 0o005 == 0o005
    before = (release / "release.json").stat().st_mtime_ns
    assert make_release(software, python, places, run) == release
    assert (release / "release.json").stat().st_mtime_ns == before

    altered = tmp_path / "wheels" / "phenostream-1.0-py3-none-any.whl"
    altered.write_bytes(toy_wheel(tmp_path, unit="# another\n").read_bytes())
    with pytest.raises(InstallFailed, match=r"(?i)hash"):
        run((*_pip(software, release, tmp_path), "--force-reinstall"))


def test_a_release_that_fails_leaves_nothing(tmp_path: Path) -> None:
    software = online(read_wheel(toy_wheel(tmp_path)), [])
    places = Places(tmp_path / "root")

    def full(command: Sequence[str], on_line: Callable[[str], None] = lambda line: None) -> str:
        if "pip" in command:
            raise InstallFailed("pip: ERROR: No space left on device")
        Path(command[3]).mkdir(parents=True)
        return ""

    with pytest.raises(InstallFailed, match="No space left"):
        make_release(software, Python(Path("/usr/bin/python3"), "3.11.2"), places, full)
    assert releases(places) == []


def test_what_a_release_is_made_of_gives_its_name(tmp_path: Path) -> None:
    python = find_python(None, run)
    wheel = read_wheel(toy_wheel(tmp_path))
    names = {online(wheel, extras).release(python) for extras in ([], ["monitor"], ["exports"])}
    again = online(read_wheel(toy_wheel(tmp_path, unit="# x\n")), []).release(python)
    assert len(names | {again}) == 4
    assert all(name.startswith("1.0-") for name in names)


def test_a_disk_that_is_too_full_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(BadConfig, match=r"0\.0 GB free, allowed 1\.1 GB or more"):
        check_fits(
            online(read_wheel(toy_wheel(tmp_path)), []), find_python(None, run), Places(tmp_path)
        )
    assert releases(Places(tmp_path)) == []


def test_a_program_that_fails_is_one_line_with_its_last_words() -> None:
    with pytest.raises(InstallFailed, match=r"^sh -c .*: ERROR: no space$"):
        run(("sh", "-c", "echo before; echo ERROR: no space; echo after >&2; exit 1"))
    with pytest.raises(InstallFailed, match="/no/such: No such file"):
        run(("/no/such",))
