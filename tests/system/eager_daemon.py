"""A daemon whose summariser takes its share of busy cores, so that no test waits for an idle one.

The product has no such switch, so a runner patches it. As a program: `python -m tests.system.eager_daemon COMMAND ...`
runs `phenostream COMMAND ...`, and what that starts is run so too.
"""

import sys
from functools import partial
from typing import Any, Final

from phenostream.daemon.summariser import link
from phenostream.deploy import child
from phenostream.deploy.cli import summariser
from phenostream.deploy.cli.main import main

PROGRAM: Final = (sys.executable, "-m", "tests.system.eager_daemon")


def plant() -> None:
    """Have the summariser and its worker be as urgent as everybody."""
    patched: Any = link
    patched.WorkerSetup = partial(link.WorkerSetup, idle=False)
    patched = summariser
    patched._NICEST = 0
    patched = child
    patched.PROGRAM = PROGRAM


if __name__ == "__main__":
    plant()
    sys.exit(main(sys.argv[1:]))
