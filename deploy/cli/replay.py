"""Send a recording to a daemon, byte for byte as the microscope did, as a new run.

Example:
  phenostream replay tests/data/real_quads.phenorec --to ipc:///tmp/phenostream/ingest --rate 1
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("recording", type=Path, metavar="PATH", help="a recording")
    parser.add_argument("--to", required=True, metavar="URL", help="the daemon's ingest endpoint")
    parser.add_argument(
        "--rate", default="max", metavar="1|max", help="1: the recorded pace; max (default)"
    )
    parser.add_argument("--loop", action="store_true", help="again and again, each time a new run")
    parser.add_argument("--json", action="store_true", help="print the ledger as JSON")
