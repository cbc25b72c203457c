"""Runs the daemon from a configuration file and says on one line when it is ready: for tests of real processes."""

import dataclasses
import json
import logging
import sys
from pathlib import Path

from phenostream.daemon.config import load_config
from phenostream.daemon.lifecycle import Ready, serve
from phenostream.engine.errors import BadInput


def _say(ready: Ready) -> None:
    sys.stdout.write(json.dumps(dataclasses.asdict(ready)) + "\n")
    sys.stdout.flush()


def main() -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        return serve(load_config(Path(sys.argv[1])), _say)
    except BadInput as err:
        sys.stderr.write(f"{err}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
