"""Whom the doctor looks at: a box, a configuration on it, the unit that runs it, and the user the daemon is."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.daemon.config import Config
from phenostream.deploy.bundles import load_site_config
from phenostream.deploy.doctor.account import Account, may_look
from phenostream.deploy.doctor.unit_file import UnitFile, UnitName
from phenostream.engine.errors import BadConfig

USUAL: Final = Path("etc/phenostream/config.toml")
"""Where `phenostream install` puts the configuration of the one daemon of a box."""
_PLACE: Final = re.compile(r"etc/(phenostream(?:@[A-Za-z0-9:_.-]+)?)/config\.toml")


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at.

    Attributes:
        path: Of the configuration; None: there is none.
        config: The configuration; None where there is none, or it is refused.
        lacks: Why there is no `config`, in one line; empty where there is one.
        unit: The unit that runs this configuration, by the place where it lies; None: none does.
        unit_file: Its files; None where it is not installed.
        account: Who the daemon is: the unit's user, else us.
        root: Of the file system that is looked at.
    """

    path: Path | None
    config: Config | None
    lacks: str
    unit: UnitName | None
    unit_file: UnitFile | None
    account: Account
    root: Path = Path("/")

    @property
    def command(self) -> str:
        """How the engineer names this configuration to a command."""
        return f"--config {self.path}" if self.path is not None else ""


def admitted(path: Path | None, root: Path = Path("/")) -> Patient:
    """What there is to look at; nothing is refused here, for what is broken is just what the doctor should tell.

    Args:
        path: Of a configuration; None: the one that `phenostream install` writes, where it is there.
        root: Of the file system.

    Raises:
        BadConfig: The unit's files cannot be read, or it runs as a user who is not there.
    """
    if path is None and (root / USUAL).exists():
        path = root / USUAL
    config, lacks = None, "no configuration: --config FILE"
    if path is not None:
        try:
            config, lacks = load_site_config(path), ""
        except BadConfig as err:
            lacks = str(err)
    unit = None if path is None else unit_of(path, root)
    unit_file = None if unit is None else UnitFile.find(unit, root)
    user = None if unit_file is None else unit_file.value("User")
    account = Account.ours() if user is None else Account.named(user)
    return Patient(path, config, lacks, unit, unit_file, account, root)


def daemon_account(path: Path, root: Path = Path("/")) -> Account:
    """Who the daemon of a configuration is; us, where we can be nobody else.

    Raises:
        BadConfig: See `admitted`.
    """
    account = admitted(path, root).account
    return account if may_look(account) else Account.ours()


def unit_of(path: Path, root: Path = Path("/")) -> UnitName | None:
    """The unit whose configuration lies there; None for a configuration of one's own."""
    try:
        place = path.resolve().relative_to(root.resolve())
    except ValueError:
        return None
    match = _PLACE.fullmatch(str(place))
    return None if match is None else UnitName(f"{match[1]}.service")
