"""The daemon that counts nothing, for `measure_meters`: the command line with its meters off."""

import sys

from phenostream.daemon.meters import Meters


def main() -> int:
    """Run the command line."""
    from phenostream.deploy.cli.main import main as command_line

    Meters.committed = lambda *_args: None  # type: ignore[method-assign]  # its whole purpose
    Meters.synced = lambda *_args: None  # type: ignore[method-assign]  # likewise
    return command_line()


if __name__ == "__main__":
    sys.exit(main())
