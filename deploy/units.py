"""Where the files for systemd lie: in a folder beside this package's, in a checkout as in a wheel."""

from pathlib import Path


def unit_folder() -> Path:
    """The folder of units, ``drop-ins/``, ``sysusers.conf`` and ``tmpfiles.conf``."""
    return Path(__file__).resolve().parents[1] / "systemd"
