"""Asking the service manager: what there is to start, whether it became ready, and why not."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.deploy.install.commands import Run, run
from phenostream.deploy.install.errors import InstallFailed
from phenostream.deploy.install.places import SYSUSERS, TMPFILES, Places

_BOOTED: Final = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Systemd:
    """The service manager of the tree.

    Attributes:
        places: Below another root nothing is started; what can be done offline is.
        run: How programs are run.
    """

    places: Places
    run: Run = run

    @property
    def is_running(self) -> bool:
        """Whether it is there to be asked."""
        return self.places.is_this_box and _BOOTED.is_dir()

    @property
    def may_make_users(self) -> bool:
        """Whether we may write the tree's list of users, and what writes it is here."""
        return os.geteuid() == 0 and shutil.which("systemd-sysusers") is not None

    @property
    def may_enable(self) -> bool:
        """Whether what has units start with the box is here."""
        return shutil.which("systemctl") is not None

    def apply_users_and_folders(self) -> None:
        """Make the user, the group and the folders that the box's own files name."""
        root = () if self.places.is_this_box else (f"--root={self.places.root.resolve()}",)
        self.run(("systemd-sysusers", *root, Path(SYSUSERS).name))
        self.run(("systemd-tmpfiles", *root, "--create", Path(TMPFILES).name))

    def read_units_again(self) -> None:
        """`systemctl daemon-reload`."""
        self.run(("systemctl", "daemon-reload"))

    def is_enabled(self, unit: str) -> bool:
        """Whether it starts with the box."""
        return self._says(("is-enabled", f"{unit}.service")) == "enabled"

    def enable(self, unit: str) -> None:
        """Have it start with the box."""
        self.run(self._systemctl("--quiet", "enable", f"{unit}.service"))

    def disable(self, unit: str) -> None:
        """No longer start it with the box."""
        self.run(self._systemctl("--quiet", "disable", f"{unit}.service"))

    def is_active(self, unit: str) -> bool:
        """Whether it runs and has said that it is ready."""
        return self._says(("is-active", f"{unit}.service")) == "active"

    def is_inactive(self, unit: str) -> bool:
        """Whether there is nothing of it to stop."""
        return self._says(("show", "-P", "ActiveState", f"{unit}.service")) in (
            "inactive",
            "failed",
            "",
        )

    def stop(self, unit: str) -> None:
        """Stop it and wait: a daemon drains."""
        self.run(("systemctl", "stop", f"{unit}.service"))

    def drop(self, unit: str) -> None:
        """Stop it, and no longer start it with the box."""
        self.stop(unit)
        self.disable(unit)

    def restart(self, unit: str) -> None:
        """Start it, again if it runs, and wait until it is ready.

        Raises:
            InstallFailed: It is not, and what it said last.
        """
        self._forget_failures(unit)
        try:
            self.run(("systemctl", "restart", f"{unit}.service"))
        except InstallFailed as err:
            raise InstallFailed(f"{unit}.service did not become ready: {self._why(unit)}") from err

    def _forget_failures(self, unit: str) -> None:
        """So that a start limit that was reached before does not count against this start."""
        self._says(("reset-failed", f"{unit}.service"))

    def _why(self, unit: str) -> str:
        try:
            words: Sequence[str] = (
                "-u",
                f"{unit}.service",
                "-n",
                "20",
                "-o",
                "cat",
                "_COMM=phenostream",
            )
            said = self.run(("journalctl", "--no-pager", "--quiet", *words)).strip().splitlines()
        except InstallFailed:
            said = []
        last = f"{said[-1].strip()[:300]}; " if said else ""
        return f"{last}see journalctl -u {unit} -n 50"

    def _says(self, words: Sequence[str]) -> str:
        """One word of an answer whose exit code says the same."""
        try:
            return self.run(self._systemctl(*words)).strip()
        except InstallFailed:
            return ""

    def _systemctl(self, *words: str) -> tuple[str, ...]:
        root = () if self.places.is_this_box else (f"--root={self.places.root.resolve()}",)
        return ("systemctl", *root, *words)
