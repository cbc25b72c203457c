"""What a recording holds: runs, frames, camera, duration, and whether it is complete.

Example:
  phenostream info tests/data/real_quads.phenorec
"""

import argparse
from pathlib import Path

from phenostream.deploy.cli.terminal import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("recording", type=Path, metavar="PATH", help="a recording")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Read it all and print; exit code 3 when it is incomplete."""
    from phenostream.daemon.recordings.facts import facts

    found = facts(args.recording)
    if args.json:
        say_json(found.as_dict())
    else:
        for line in found.lines():
            say(line)
    return 0 if found.complete else 3
