"""The Python that a release is made with: new enough, with venv, and where a service can read it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from phenostream.deploy.install.commands import run
from phenostream.deploy.install.errors import InstallFailed
from phenostream.deploy.install.python import find_python
from phenostream.engine.errors import BadConfig


def says(version: str, *, venv: bool = True) -> Callable[..., str]:
    """Every Python of the box is of this version."""

    def answer(command: Sequence[str], on_line: Callable[[str], None] = lambda line: None) -> str:
        if "ensurepip" in command[-1] and not venv:
            raise InstallFailed("ModuleNotFoundError: No module named 'ensurepip'")
        return f"{version}\n"

    return answer


def test_the_boxs_own_python_is_found_and_asked() -> None:
    found = find_python(Path("/usr/bin/python3"), run)
    assert tuple(map(int, found.minor.split("."))) >= (3, 11)


def test_one_that_is_too_old_is_refused_with_its_version() -> None:
    with pytest.raises(BadConfig, match=r"python3 is 3\.10\.12.*allowed Python 3\.11 or newer"):
        find_python(Path("/usr/bin/python3"), says("3.10.12"))


def test_one_without_venv_is_refused_with_what_to_install() -> None:
    with pytest.raises(BadConfig, match="lacks its venv module: apt-get install python3-venv"):
        find_python(Path("/usr/bin/python3"), says("3.11.2", venv=False))


def test_one_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadConfig, match="/usr/bin/python9 is not there"):
        find_python(Path("/usr/bin/python9"), says("3.11.2"))


def test_one_that_a_service_cannot_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("phenostream.deploy.install.python._CLOSED", (str(tmp_path),))
    path = tmp_path / "python3"
    path.touch()
    with pytest.raises(BadConfig, match="which a service cannot read; allowed /usr/bin/python3"):
        find_python(path, says("3.11.2"))
