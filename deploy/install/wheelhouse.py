"""An offline folder: every wheel that a release needs, with their hashes, for a box without a network.

SHA256SUMS names every file. It finds damage on the way; that the folder is the one that was made, the sum of SHA256SUMS
itself tells, if it came by another way.
"""

import json
import re
import shutil
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from phenostream.deploy.install.commands import Run
from phenostream.deploy.install.files import write_whole
from phenostream.deploy.install.wheels import (
    Wheel,
    file_sha256,
    own_checkout,
    own_wheel,
    read_wheel,
    wheel_name,
)
from phenostream.engine.errors import BadConfig

SUMS: Final = "SHA256SUMS"
ABOUT: Final = "wheels.json"
FORMAT: Final = 1
_LINE: Final = re.compile(r"([0-9a-f]{64})  ([^/\s]+)")


@dataclass(frozen=True, slots=True)
class About:
    """What a folder is for.

    Attributes:
        format: Of this description.
        version: Of phenostream.
        extras: That it brings.
        python: ``3.11``: wheels are for one minor version.
        platform: As ``sysconfig`` calls it.
    """

    format: int
    version: str
    extras: tuple[str, ...]
    python: str
    platform: str


@dataclass(frozen=True, slots=True)
class Wheelhouse:
    """A folder whose every file is as it was made.

    Attributes:
        folder: Absolute.
        about: What it is for.
        wheel: Ours.
        sums: Name of each wheel → SHA-256.
        sha256: Of SHA256SUMS.
    """

    folder: Path
    about: About
    wheel: Wheel
    sums: dict[str, str]
    sha256: str

    def requirements(self) -> str:
        """What pip is to install, all of it by hash and nothing else."""
        lines = []
        for name, sha in sorted(self.sums.items()):
            if name.endswith(".whl"):
                dist, version = wheel_name(Path(name))
                lines.append(f"{dist}=={version} --hash=sha256:{sha}\n")
        return "".join(lines)


def wheel_at_hand(named: Path | None, run: Run, scratch: Path) -> Wheel:
    """Our wheel: the one that was named, or the one we came from, or one built from the checkout we came from.

    Raises:
        BadConfig: There is none.
        InstallFailed: Building it failed.
    """
    if named is not None:
        return read_wheel(named)
    if (ours := own_wheel()) is not None:
        return read_wheel(ours)
    if (tree := own_checkout()) is None:
        raise BadConfig(
            "--wheel: missing: the wheel that this program was installed from is not where it was"
        )
    run(
        _pip(
            "wheel", "--no-deps", "--wheel-dir", str(scratch), str(_copied(tree, scratch / "tree"))
        )
    )
    return read_wheel(next(scratch.glob("phenostream-*.whl")))


def _copied(tree: Path, to: Path) -> Path:
    """What a wheel is built of, away from the checkout: a build leaves files behind, and takes in what one left."""
    config = tomllib.loads((tree / "pyproject.toml").read_text())
    to.mkdir()
    for path in tree.iterdir():
        if path.is_file():
            shutil.copy(path, to)
    for folder in config["tool"]["setuptools"]["package-dir"].values():
        shutil.copytree(tree / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return to


def make_wheelhouse(
    folder: Path, wheel: Wheel, extras: Sequence[str], run: Run, *, compiles: bool
) -> Wheelhouse:
    """Gather the wheels of a release in a new folder, by the pins that it carries.

    Args:
        folder: Not there yet, or empty.
        wheel: Ours.
        extras: That it shall bring.
        run: How pip is run.
        compiles: What has no wheel is built here; else it is refused.

    Raises:
        BadConfig: The folder is not empty, or an extra is not known.
        InstallFailed: pip failed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadConfig(f"{folder}: not empty, allowed a new folder")
    wanted, folder = checked_extras(wheel, extras), folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="phenostream-") as scratch:
        pins = Path(scratch) / "constraints.txt"
        pins.write_text(wheel.pins)
        binary = () if compiles else ("--only-binary", ":all:")
        run(
            _pip(
                "wheel",
                "-c",
                str(pins),
                *binary,
                "--wheel-dir",
                str(folder),
                requirement(wheel, wanted),
            )
        )
    about = About(FORMAT, wheel.version, wanted, _python(), sysconfig.get_platform())
    write_whole(folder / ABOUT, json.dumps(asdict(about), indent=1) + "\n")
    names = sorted(path.name for path in folder.iterdir())
    write_whole(folder / SUMS, "".join(f"{file_sha256(folder / name)}  {name}\n" for name in names))
    return read_wheelhouse(folder)


def read_wheelhouse(folder: Path) -> Wheelhouse:
    """Look through a folder; every file of it is read.

    Raises:
        BadConfig: One is missing, altered or not listed, or the folder is none of ours.
    """
    folder = folder.resolve()
    try:
        listed = (folder / SUMS).read_text()
    except OSError as err:
        raise BadConfig(
            f"{folder / SUMS}: {err.strerror}: not a folder of `phenostream bundle-wheels`"
        ) from err
    sums = dict(_sums(folder, listed))
    for path in folder.iterdir():
        if path.name != SUMS and path.name not in sums:
            raise BadConfig(f"{path}: not in {SUMS}, allowed only what is listed there")
    for name, sha in sums.items():
        if file_sha256(folder / name) != sha:
            raise BadConfig(f"{folder / name}: altered since the folder was made ({SUMS})")
    about = _about(folder)
    ours = [name for name in sums if name.startswith(f"phenostream-{about.version}-")]
    if len(ours) != 1:
        raise BadConfig(f"{folder}: {len(ours)} wheels of phenostream {about.version}, allowed one")
    return Wheelhouse(folder, about, read_wheel(folder / ours[0]), sums, file_sha256(folder / SUMS))


def checked_extras(wheel: Wheel, extras: Sequence[str]) -> tuple[str, ...]:
    """Extras in order, each once.

    Raises:
        BadConfig: One is not of this wheel.
    """
    for extra in extras:
        if extra not in wheel.extras:
            raise BadConfig(f"--extras {extra!r:.80}: allowed {', '.join(wheel.extras)}")
    return tuple(sorted(set(extras)))


def requirement(wheel: Wheel, extras: Sequence[str]) -> str:
    """The wheel with its extras, for pip."""
    return f"{wheel.path}[{','.join(extras)}]" if extras else str(wheel.path)


def _pip(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *words)


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _sums(folder: Path, listed: str) -> list[tuple[str, str]]:
    found = []
    for line in listed.splitlines():
        told = _LINE.fullmatch(line)
        if told is None:
            raise BadConfig(
                f"{folder / SUMS}: {line[:80]!r}: allowed a SHA-256, two spaces and a name"
            )
        found.append((told[2], told[1]))
    return found


def _about(folder: Path) -> About:
    path = folder / ABOUT
    try:
        told = json.loads(path.read_text())
        about = About(**{**told, "extras": tuple(told["extras"])})
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise BadConfig(f"{path}: does not say what the folder is for") from err
    if about.format != FORMAT:
        raise BadConfig(f"{path}: format {about.format}: allowed {FORMAT}")
    return about
