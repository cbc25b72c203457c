"""The endpoints of `config.example.toml`, so that the commands find a daemon that was started with it; and its keys."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from phenostream.daemon.security.keys import ClientKeys

INGEST: Final = "ipc:///tmp/phenostream/ingest"
RESULTS: Final = "ipc:///tmp/phenostream/results"
CONTROL: Final = "ipc:///tmp/phenostream/control"


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
