"""Where everything of an installation lies. Names only: nothing here looks at the disk.

Paths of the box are absolute texts, as units and configurations name them; `Places.at` gives the path to read or write,
which lies below another root when a tree is filled for a look or a test.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.engine.errors import BadConfig

NAME: Final = "phenostream"
"""Of the user, the group, the program and the first unit."""
OPT: Final = "/opt/phenostream"
RELEASES: Final = f"{OPT}/releases"
CURRENT: Final = f"{OPT}/current"
PREVIOUS: Final = f"{OPT}/previous"
RECORD: Final = f"{OPT}/installed.json"
LOCK: Final = f"{OPT}/lock"
PROGRAM: Final = f"/usr/local/bin/{NAME}"
MODELS: Final = f"/var/lib/{NAME}-models"
UNITS: Final = "/etc/systemd/system"
OTHER_UNITS: Final = (
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Where packages and other installers put theirs."""
SYSUSERS: Final = f"/etc/sysusers.d/{NAME}.conf"
TMPFILES: Final = f"/etc/tmpfiles.d/{NAME}.conf"

_INSTANCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Places:
    """The tree that is installed into.

    Attributes:
        root: ``/`` for this box.
    """

    root: Path = Path("/")

    def at(self, path: str) -> Path:
        """Where a path of the box lies in the tree."""
        return self.root / path.lstrip("/")

    @property
    def is_this_box(self) -> bool:
        """Whether the tree is the box's own, so that there is a service manager to talk to."""
        return self.root.resolve() == Path("/")


def checked_instance(name: str) -> str:
    """The name of an instance; empty for the one without a name.

    Raises:
        BadConfig: It cannot be part of a unit's name.
    """
    if name and not _INSTANCE.fullmatch(name):
        raise BadConfig(
            f"--instance {name!r:.80}: allowed 1 to 32 letters, digits, '_' and '-', a letter or digit first"
        )
    return name


def unit_name(instance: str) -> str:
    """What systemd calls ``%N``: ``phenostream`` or ``phenostream@scope1``."""
    return f"{NAME}@{instance}" if instance else NAME


def companion(which: str, instance: str) -> str:
    """The unit of a process beside the daemon, such as ``monitor``."""
    return f"{NAME}-{which}@{instance}" if instance else f"{NAME}-{which}"


def config_folder(instance: str) -> str:
    """Where its configuration and keys lie."""
    return f"/etc/{unit_name(instance)}"


def config_file(instance: str) -> str:
    """Its configuration."""
    return f"{config_folder(instance)}/config.toml"


def data_folders(instance: str) -> tuple[str, ...]:
    """What it has written: journal and quarantine, then what can be made again."""
    return f"/var/lib/{unit_name(instance)}", f"/var/cache/{unit_name(instance)}"
