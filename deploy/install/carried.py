"""What a release carries beside its programs: units, drop-ins, users, folders, the example configuration, the pins.

Everything that is put on the box comes out of the release that will run, never out of the program that installs it: so
an older command installs a newer release as that one wants it, and a way back brings the older units back.
"""

import zipfile
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import phenostream.deploy
from phenostream.deploy.install.places import NAME
from phenostream.engine.errors import BadConfig

DROP_INS: Final = "drop-ins"


@dataclass(frozen=True, slots=True)
class Carried:
    """A package folder with ``systemd`` and ``deploy`` in it.

    Attributes:
        folder: ``phenostream`` in a release's site-packages or in a wheel, or the tree of a checkout.
    """

    folder: Traversable

    def text(self, name: str) -> str:
        """A file of it.

        Raises:
            BadConfig: It is not in there.
        """
        try:
            return self.folder.joinpath(name).read_text(encoding="utf-8")
        except (FileNotFoundError, KeyError) as err:
            raise BadConfig(f"{self.folder}: no {name}: not a whole phenostream") from err

    def units(self) -> dict[str, str]:
        """Name, such as ``phenostream.service``, and text of every unit.

        Raises:
            BadConfig: The daemon's is not among them.
        """
        folder = self.folder / "systemd"
        names = [one.name for one in folder.iterdir()] if folder.is_dir() else []
        found = {
            name: self.text(f"systemd/{name}")
            for name in sorted(names)
            if name.endswith(".service")
        }
        if f"{NAME}.service" not in found:
            raise BadConfig(f"{self.folder}: no systemd/{NAME}.service: not a whole phenostream")
        return found

    def drop_in(self, name: str) -> str:
        """A drop-in of the daemon's unit: ``cpu``, ``gpu``, ``local`` or ``lan``."""
        return self.text(f"systemd/{DROP_INS}/{name}.conf")

    @property
    def example(self) -> str:
        """The configuration that explains every key."""
        return self.text("deploy/config.example.toml")


def our_own() -> Carried:
    """What the program that is running carries."""
    return Carried(Path(str(phenostream.deploy.__file__)).resolve().parents[1])


def carried_in(wheel: Path) -> Carried:
    """What a wheel carries."""
    return Carried(zipfile.Path(wheel, f"{NAME}/"))


def carried_by(release: Path) -> Carried:
    """What a release carries.

    Raises:
        BadConfig: It is no virtual environment with phenostream in it.
    """
    found = sorted(release.glob("lib/python3*/site-packages/phenostream"))
    if not found:
        raise BadConfig(f"{release}: phenostream is not in it: not a whole release")
    return Carried(found[0])
