"""One release: a virtual environment in a folder of its own, made once, never changed, whole or not there.

What it is made of gives its name, VERSION-HASH8. The note in it is written last: a folder without one was left by a
kill, is nothing that may run, and is made again.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from phenostream.deploy.install.commands import Run
from phenostream.deploy.install.errors import InstallFailed
from phenostream.deploy.install.files import write_whole
from phenostream.deploy.install.places import NAME, RELEASES, Places
from phenostream.deploy.install.python import Python
from phenostream.deploy.install.wheelhouse import Wheelhouse, checked_extras, requirement
from phenostream.deploy.install.wheels import Wheel
from phenostream.engine.errors import BadConfig

NOTE: Final = "release.json"
_RELEASE: Final = re.compile(r"[A-Za-z0-9_.!+]+-[0-9a-f]{8}")
_UNPACKED: Final = 5
"""Times the size of its wheels that a release takes, with a margin."""
_LEAST_FREE: Final = 1 << 30
"""Asked for where the size of the wheels is not known before."""


@dataclass(frozen=True, slots=True)
class Software:
    """What a release is made of.

    Attributes:
        wheel: Ours.
        extras: That come with it.
        offline: The folder that brings everything else; None: what pip is set up for.
    """

    wheel: Wheel
    extras: tuple[str, ...]
    offline: Wheelhouse | None

    def release(self, python: Python) -> str:
        """The name of its release."""
        parts = (
            self.wheel.sha256,
            ",".join(self.extras),
            self.offline.sha256 if self.offline else "",
            python.version,
        )
        return f"{self.wheel.version}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:8]}"

    @property
    def needs_bytes(self) -> int:
        """Free space that is asked for."""
        if self.offline is None:
            return _LEAST_FREE
        return _UNPACKED * sum(
            (self.offline.folder / name).stat().st_size for name in self.offline.sums
        )


def online(wheel: Wheel, extras: Sequence[str]) -> Software:
    """Ours from a file, everything else from where pip is set up to take it, by the pins of the wheel.

    Raises:
        BadConfig: An extra is not known.
    """
    return Software(wheel, checked_extras(wheel, extras), None)


def offline(folder: Wheelhouse, extras: Sequence[str] | None) -> Software:
    """All that a folder brings.

    Raises:
        BadConfig: Other extras were asked for than it was made with.
    """
    if extras is not None and tuple(sorted(set(extras))) != folder.about.extras:
        have = ",".join(folder.about.extras) or "none"
        raise BadConfig(
            f"--extras {','.join(extras)}: allowed {have}, with which {folder.folder} was made"
        )
    return Software(folder.wheel, folder.about.extras, folder)


def is_whole(release: Path) -> bool:
    """Whether a release may run."""
    return (release / NOTE).is_file()


def extras_of(release: Path) -> tuple[str, ...]:
    """Extras that a whole release was made with."""
    found: dict[str, list[str]] = json.loads((release / NOTE).read_text())
    return tuple(found["extras"])


def releases(places: Places) -> list[Path]:
    """Every folder of a release, whole or not."""
    return sorted(
        path
        for path in places.at(RELEASES).glob("*")
        if path.is_dir() and not path.is_symlink() and _RELEASE.fullmatch(path.name)
    )


def check_fits(software: Software, python: Python, places: Places) -> None:
    """Refuse what cannot be made here before anything is touched.

    Raises:
        BadConfig: The folder is for another Python, or the disk is too full.
    """
    made_for = software.offline.about.python if software.offline else python.minor
    if made_for != python.minor:
        raise BadConfig(
            f"{python.path}: Python {python.version}: allowed {made_for}, which the wheels in "
            f"{software.offline.folder if software.offline else ''} are for"
        )
    where = places.at(RELEASES)
    while not where.exists():
        where = where.parent
    free = shutil.disk_usage(where).free
    if free < software.needs_bytes:
        raise BadConfig(
            f"{places.at(RELEASES)}: {free / 1e9:.1f} GB free, allowed {software.needs_bytes / 1e9:.1f} GB or more"
        )


def make_release(
    software: Software,
    python: Python,
    places: Places,
    run: Run,
    on_line: Callable[[str], None] = lambda line: None,
) -> Path:
    """Make it, in place of what a kill may have left; its folder.

    Raises:
        InstallFailed: A program failed; nothing of it is left.
    """
    release = places.at(RELEASES) / software.release(python)
    if is_whole(release):
        return release
    shutil.rmtree(release, ignore_errors=True)
    try:
        release.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        run((str(python.path), "-m", "venv", str(release)))
        with TemporaryDirectory(prefix="phenostream-") as scratch:
            run(_pip(software, release, Path(scratch)), on_line)
        said = run((str(release / "bin" / NAME), "--version")).strip()
        note = {"version": software.wheel.version, "said": said, "extras": software.extras}
        note |= {"wheel": software.wheel.sha256, "python": python.version}
        run(("sync", "--file-system", str(release)))  # no note beside files that a power cut takes
        write_whole(release / NOTE, json.dumps(note, indent=1) + "\n")
    except OSError as err:
        shutil.rmtree(release, ignore_errors=True)
        raise InstallFailed(f"{err.filename or release}: {err.strerror}") from err
    except BaseException:
        shutil.rmtree(release, ignore_errors=True)
        raise
    return release


def _pip(software: Software, release: Path, scratch: Path) -> tuple[str, ...]:
    """The command that fills it: only wheels, so nothing is compiled and nothing of a package is run."""
    pip = (
        str(release / "bin" / "python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
    )
    binary = ("install", "--only-binary", ":all:")
    if software.offline is not None:
        wanted = scratch / "requirements.txt"
        wanted.write_text(software.offline.requirements())
        folder = str(software.offline.folder)
        only = (
            "--no-index",
            "--find-links",
            folder,
            "--no-deps",
            "--require-hashes",
            "--no-cache-dir",
        )
        return (*pip, *binary, *only, "-r", str(wanted))
    pins = scratch / "constraints.txt"
    pins.write_text(software.wheel.pins)
    return (*pip, *binary, "-c", str(pins), requirement(software.wheel, software.extras))
