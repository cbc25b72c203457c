"""Our own wheel: what its name says, what it carries, and where it is when nobody names it."""

import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlparse

from phenostream.engine.errors import BadConfig

_NAME: Final = re.compile(
    r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[A-Za-z0-9_.!+]+)(-\d\w*)?-[^-]+-[^-]+-[^-]+\.whl"
)
_CONSTRAINTS: Final = "phenostream/deploy/constraints.txt"
_UNIT: Final = "phenostream/systemd/phenostream.service"
_MOST_PINS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of phenostream.

    Attributes:
        path: Absolute.
        version: As its name says.
        sha256: Of the file.
        pins: The constraints that it carries, name==version a line.
        extras: What may be asked for with it.
    """

    path: Path
    version: str
    sha256: str
    pins: str
    extras: tuple[str, ...]


def wheel_name(path: Path) -> tuple[str, str]:
    """Distribution, small letters and ``-``, and version, as the name of a wheel says.

    Raises:
        BadConfig: It is not the name of a wheel.
    """
    found = _NAME.fullmatch(path.name)
    if found is None:
        raise BadConfig(f"{path}: not the name of a wheel, NAME-VERSION-PYTHON-ABI-PLATFORM.whl")
    return re.sub(r"[-_.]+", "-", found["name"]).lower(), found["version"]


def read_wheel(path: Path) -> Wheel:
    """Look into a wheel of phenostream.

    Raises:
        BadConfig: It is none, is damaged, or is too old to be installed as a service.
    """
    name, version = wheel_name(path)
    if name != "phenostream":
        raise BadConfig(f"{path}: a wheel of {name}, allowed one of phenostream")
    try:
        with zipfile.ZipFile(path) as wheel:
            if _UNIT not in wheel.namelist():
                raise BadConfig(
                    f"{path}: carries no unit of systemd: older than `phenostream install`"
                )
            with wheel.open(_CONSTRAINTS) as file:
                pins = file.read(_MOST_PINS).decode()
            told = wheel.read(f"phenostream-{version}.dist-info/METADATA").decode()
    except OSError as err:
        raise BadConfig(f"{path}: {err.strerror}") from err
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as err:
        raise BadConfig(f"{path}: not a whole wheel: {err}") from err
    extras = tuple(re.findall(r"(?m)^Provides-Extra: (\S+)$", told))
    return Wheel(path.resolve(), version, file_sha256(path), pins, extras)


def own_wheel() -> Path | None:
    """The wheel that the running program was installed from, where it still lies and is the same; else None."""
    folder, told = _origin()
    path = Path(folder)
    if not folder.endswith(".whl") or not path.is_file():
        return None
    hashes = told.get("archive_info", {}).get("hashes", {})
    return path if hashes.get("sha256") == file_sha256(path) else None


def own_checkout() -> Path | None:
    """The source tree that the running program was installed from, editable or not; None, if it was a wheel."""
    folder, told = _origin()
    return Path(folder) if folder and "dir_info" in told and Path(folder).is_dir() else None


def file_sha256(path: Path) -> str:
    """Hash of a file.

    Raises:
        BadConfig: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise BadConfig(f"{path}: {err.strerror}") from err


def _origin() -> tuple[str, dict[str, dict[str, dict[str, str]]]]:
    """Where pip took us from, as it noted it beside us (``direct_url.json``); empty, if it did not."""
    try:
        noted = metadata.distribution("phenostream").read_text("direct_url.json")
        told = json.loads(noted or "{}")
        url = urlparse(str(told.get("url", "")))
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        return "", {}
    return (unquote(url.path) if url.scheme == "file" else ""), told
