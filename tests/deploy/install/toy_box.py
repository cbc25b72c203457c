"""A box for tests of installing: a tree in a folder, a service manager of a few sets, releases without packages."""

import base64
import hashlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phenostream.deploy.install.errors import InstallFailed
from phenostream.deploy.install.places import CURRENT, Places
from phenostream.deploy.install.systemd import Systemd

ROOT = Path(__file__).parents[3]
PROGRAM = """\
import pathlib, sys

def main():
    if "--version" in sys.argv:
        print("phenostream of a test")
    elif "refused = true" in pathlib.Path(sys.argv[3]).read_text():
        sys.exit(f"phenostream check: {sys.argv[3]}: refused: true: allowed false")
"""


def toy_wheel(folder: Path, version: str = "1.0", unit: str = "") -> Path:
    """A wheel of phenostream with everything but the programs.

    Args:
        folder: Where it is put.
        version: Of it.
        unit: Appended to the daemon's unit.
    """
    files = {
        f"phenostream/{path.relative_to(ROOT)}": path.read_text()
        for path in (*(ROOT / "systemd").rglob("*"), ROOT / "deploy" / "config.example.toml")
        if path.is_file() and path.suffix in (".service", ".conf", ".toml")
    }
    files["phenostream/systemd/phenostream.service"] += unit
    files["phenostream/deploy/constraints.txt"] = "# none\n"
    files["phenostream/toy.py"] = PROGRAM
    about = f"phenostream-{version}.dist-info"
    files[f"{about}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: phenostream\nVersion: {version}\n"
        "Provides-Extra: monitor\nProvides-Extra: exports\n"
    )
    files[f"{about}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{about}/entry_points.txt"] = "[console_scripts]\nphenostream = phenostream.toy:main\n"
    path = folder / f"phenostream-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(name), text)
        lines = [
            f"{name},sha256={_digest(text)},{len(text.encode())}\n" for name, text in files.items()
        ]
        wheel.writestr(zipfile.ZipInfo(f"{about}/RECORD"), "".join([*lines, f"{about}/RECORD,,\n"]))
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@dataclass
class ToyBox:
    """What runs the programs of the box.

    Attributes:
        root: Of the tree.
        broken: Versions whose daemon does not become ready.
        ran: Words of every systemctl that changed something, and names of other programs.
        fails: Called with each command; may raise.
    """

    root: Path
    broken: set[str] = field(default_factory=set)
    ran: list[str] = field(default_factory=list)
    enabled: set[str] = field(default_factory=set)
    active: set[str] = field(default_factory=set)
    fails: Callable[[Sequence[str]], None] = lambda command: None

    def __call__(
        self, command: Sequence[str], on_line: Callable[[str], None] = lambda line: None
    ) -> str:
        """Stand in for `commands.run`."""
        self.fails(command)
        name, words = (
            Path(command[0]).name,
            [one for one in command[1:] if not one.startswith("--")],
        )
        if name == "systemctl":
            return self._systemctl(words)
        if name.startswith("python"):
            return self._python(command)
        if name == "sync":
            return ""
        if name == "phenostream":
            return self._phenostream(command)
        self.ran.append(name)
        return ""

    def _systemctl(self, words: list[str]) -> str:
        verb, unit = words[0], words[-1].removesuffix(".service")
        if verb in ("is-enabled", "is-active"):
            known = self.enabled if verb == "is-enabled" else self.active
            if unit not in known:
                raise InstallFailed(f"systemctl {verb}: no")
            return {"is-enabled": "enabled", "is-active": "active"}[verb]
        if verb == "show":
            return "active" if unit in self.active else "inactive"
        if verb != "reset-failed":
            self.ran.append(" ".join(words))
        if verb in ("enable", "disable"):
            (self.enabled.add if verb == "enable" else self.enabled.discard)(unit)
        if verb in ("restart", "stop"):
            self.active.discard(unit)
        if verb == "restart":
            if unit.split("@")[0] == "phenostream" and self._version() in self.broken:
                raise InstallFailed("systemctl restart: Job failed")
            self.active.add(unit)
        return ""

    def _version(self) -> str:
        return (self.root / CURRENT.lstrip("/")).readlink().name.split("-")[0]

    def _python(self, command: Sequence[str]) -> str:
        if command[1] == "-c":
            return "3.11.2\n"
        if command[2] == "venv":
            packages = Path(command[3]) / "lib" / "python3.11" / "site-packages"
            packages.mkdir(parents=True)
            return ""
        packages = next(Path(command[0]).parents[1].glob("lib/python3*/site-packages"))
        with zipfile.ZipFile(command[-1].partition("[")[0]) as wheel:
            wheel.extractall(packages)
        return ""

    @staticmethod
    def _phenostream(command: Sequence[str]) -> str:
        if command[1] == "check" and "refused = true" in Path(command[3]).read_text():
            raise InstallFailed(
                f"{command[0]} check: phenostream check: {command[3]}: refused: true"
            )
        return "phenostream of a test\n"

    def starts(self) -> list[str]:
        """What was started since the last look."""
        found = [
            one.split()[1].removesuffix(".service")
            for one in self.ran
            if one.startswith("restart ")
        ]
        self.ran.clear()
        return found


class ToySystemd(Systemd):
    """Runs and may do all, although the tree is not this box's."""

    @property
    def is_running(self) -> bool:
        """See `Systemd`."""
        return True

    @property
    def may_make_users(self) -> bool:
        """See `Systemd`."""
        return True

    @property
    def may_enable(self) -> bool:
        """See `Systemd`."""
        return True


def toy_systemd(box: ToyBox) -> Systemd:
    """The service manager of a toy box."""
    return ToySystemd(Places(box.root), box)
