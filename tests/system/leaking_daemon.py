"""The command line with a daemon that leaks at every frame: what a soak must find. For tests."""

import sys
from typing import Any

from phenostream.daemon.ledger import Ledger
from phenostream.deploy.cli.main import main

_kept: list[Any] = []


def leak(what: str) -> None:
    """Have the ledger keep something of every settled frame."""
    settle = Ledger.settle

    def leaking(self: Ledger, *args: Any, **kwargs: Any) -> None:
        settle(self, *args, **kwargs)
        if what == "memory":
            _kept.append(bytearray(b"x" * 8192))
        elif len(_kept) < 200 and args[1] % 20 == 0:
            _kept.append(open("/dev/null"))  # noqa: SIM115 - never closed, that is the point

    setattr(Ledger, "settle", leaking)  # noqa: B010 - the one change that makes it leak


if __name__ == "__main__":
    leak(sys.argv.pop(1))
    sys.exit(main())
