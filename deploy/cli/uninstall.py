"""Take phenostream off this box: stop the daemon, which drains, and remove its units; with the last, the programs too.

What the site wrote and what the daemon found out stays: configuration, keys, journal, quarantine. --purge removes those
of this instance too, for good. Users and language models stay in any case.

Examples:
  sudo phenostream uninstall --instance scope1
  sudo phenostream uninstall --purge --dry-run
"""

import argparse

from phenostream.deploy.cli.install import add_common, the_steps, the_systemd, told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--instance", default="", metavar="NAME", help="which of several daemons on this box"
    )
    parser.add_argument(
        "--purge", action="store_true", help="remove its configuration, keys and RESULTS too"
    )
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Do it, step by step."""
    from phenostream.deploy.install.places import checked_instance
    from phenostream.deploy.install.uninstalling import uninstall

    steps = the_steps(args)
    uninstall(checked_instance(args.instance), the_systemd(args), steps, purge=args.purge)
    return told(args, steps)
