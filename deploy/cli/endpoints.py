"""Where commands look for a daemon nobody named: the box's service, else that of `config.example.toml`; its keys."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from phenostream.daemon.security.keys import ClientKeys

_SERVICE: Final = "/run/phenostream"
"""Made by systemd when the service starts, and removed when it stops."""
_EXAMPLE: Final = "/tmp/phenostream"  # noqa: S108 - the example's


def folder_of_sockets(service: str = _SERVICE) -> str:
    """The folder of the service's sockets while there is one, else that of the example configuration."""
    return service if os.path.isdir(service) else _EXAMPLE


_FOLDER: Final = folder_of_sockets()
INGEST: Final = f"ipc://{_EXAMPLE}/ingest"
"""Always the example's: frames go into a service only where somebody says so."""
RESULTS: Final = f"ipc://{_FOLDER}/results"
CONTROL: Final = f"ipc://{_FOLDER}/control"


def add_keys(parser: argparse.ArgumentParser) -> None:
    """The keys for a daemon on tcp."""
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="DIR",
        help="folder of `phenostream keys client`, for a daemon on tcp (ipc needs none)",
    )


def client_keys(args: argparse.Namespace) -> "ClientKeys | None":
    """What `add_keys` was given.

    Raises:
        BadConfig: A file is missing, open to others, or holds no key.
    """
    from phenostream.daemon.security.keys import ClientKeys

    return None if args.keys is None else ClientKeys.read(args.keys)
