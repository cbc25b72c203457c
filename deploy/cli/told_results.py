"""RESULTS on a command line: a journal's folder, a file of `watch --json`, or the URL of a daemon that runs."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.endpoints import client_keys
from phenostream.deploy.cli.terminal import note, progress
from phenostream.deploy.cli.watch import control_beside
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.deploy.told import Told


@contextmanager
def told_results(args: argparse.Namespace) -> Iterator["Told"]:
    """RESULTS; what they lack is noted at the end."""
    from phenostream.deploy.told import told

    with (
        progress(_size(args), "read", "B") as bar,
        told(_endpoint(args.results), client_keys(args), bar.update) as kept,
    ):
        yield kept
        lacks = kept.lacks()
    for line in lacks:
        note(f"phenostream summarise: {line}")


def _size(args: argparse.Namespace) -> int | None:
    """Bytes that will be read; None of a daemon, which is read as far back as is needed."""
    path = Path(args.results)
    if "://" in args.results or not path.exists():
        return None
    files = path.glob("*.journal") if path.is_dir() else [path]
    once = sum(file.stat().st_size for file in files)
    return once if args.reference is None and args.save_reference is None else 2 * once


def _endpoint(results: str) -> str:
    """RESULTS, with the control endpoint in the place of a results endpoint, which keeps nothing.

    Raises:
        BadConfig: It is a results endpoint, and the one beside it is not there.
    """
    if "://" not in results or "results" not in results.rpartition("/")[2]:
        return results
    beside = control_beside(results)
    if beside is None:
        raise BadConfig(f"RESULTS {results!r}: no control endpoint beside it; give that one")
    return beside
