"""The Python of the box, with which a release is made: that of whoever installs may be out of a service's reach."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.deploy.install.commands import Run
from phenostream.deploy.install.errors import InstallFailed
from phenostream.engine.errors import BadConfig

LEAST: Final = (3, 11)
_NAMES: Final = ("python3", "python3.13", "python3.12", "python3.11")
_CLOSED: Final = ("/root", "/home", "/run/user", "/tmp")  # noqa: S108 - named because it is refused
"""A unit with ProtectHome and PrivateTmp sees nothing in there."""
_ASK: Final = "import sys, ensurepip, venv; print('.'.join(map(str, sys.version_info[:3])))"
_VERSION: Final = "import sys; print('.'.join(map(str, sys.version_info[:3])))"


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter with its ``venv`` module.

    Attributes:
        path: Of the program.
        version: ``3.11.2``.
    """

    path: Path
    version: str

    @property
    def minor(self) -> str:
        """``3.11``."""
        return ".".join(self.version.split(".")[:2])


def find_python(named: Path | None, run: Run) -> Python:
    """The one that was named, or the first in /usr/bin that is new enough.

    Raises:
        BadConfig: There is none, it is too old, a service could not read it, or its ``venv`` is not installed.
    """
    tried = []
    for path in (named,) if named else (Path("/usr/bin") / name for name in _NAMES):
        if not path.is_file():
            tried.append(f"{path} is not there")
            continue
        _refuse_closed(path)
        version = run((str(path), "-c", _VERSION)).strip()
        if tuple(int(part) for part in version.split(".")[:2]) < LEAST:
            tried.append(f"{path} is {version}")
            continue
        return Python(path, _with_venv(path, run))
    raise BadConfig(
        f"--python: {', '.join(tried)}: allowed Python 3.11 or newer (apt-get install python3.11-venv)"
    )


def _refuse_closed(path: Path) -> None:
    real = path.resolve()
    for folder in _CLOSED:
        if real.is_relative_to(folder):
            raise BadConfig(
                f"--python {path}: lies in {folder}, which a service cannot read; allowed /usr/bin/python3"
            )


def _with_venv(path: Path, run: Run) -> str:
    try:
        return run((str(path), "-c", _ASK)).strip()
    except InstallFailed as err:
        raise BadConfig(f"{path}: lacks its venv module: apt-get install {path.name}-venv") from err
