"""Where an instance is reached: over ipc by who is on the box, or over tcp at an address, three ports in a row."""

import re
from dataclasses import dataclass
from typing import Final, Self

from phenostream.daemon.endpoint import is_local
from phenostream.deploy.install.record import Network
from phenostream.engine.errors import BadConfig

SECTIONS: Final = ("ingest", "results", "control")
"""Of a configuration, in the order of their ports."""
FIRST_PORT: Final = 5555
_LAST_PORT: Final = 65535
_ADDRESS: Final = re.compile(r"(\*|[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Listen:
    """What was asked for.

    Attributes:
        address: Of this box, or ``*``; None: ipc.
        port: Of ingest, the next two follow; None: the first three that no other instance has.
    """

    address: str | None = None
    port: int | None = None

    @classmethod
    def parsed(cls, text: str) -> Self:
        """From the command line.

        Raises:
            BadConfig: It is none.
        """
        if text == "ipc":
            return cls()
        found = _ADDRESS.fullmatch(text)
        port = int(found[2]) if found and found[2] else None
        if found is None or (port is not None and not 1 <= port <= _LAST_PORT - 2):
            raise BadConfig(
                f"--listen {text!r:.80}: allowed ipc, or ADDRESS or ADDRESS:PORT, PORT from 1 to {_LAST_PORT - 2}"
            )
        return cls(found[1], port)

    def __str__(self) -> str:
        """As on the command line."""
        if self.address is None:
            return "ipc"
        return self.address if self.port is None else f"{self.address}:{self.port}"

    @property
    def network(self) -> Network:
        """Who can reach it so."""
        if self.address is None:
            return "local"
        return "box" if is_local(f"tcp://{self.address}:1") else "lan"

    def agrees_with(self, ingest: str) -> bool:
        """Whether the endpoint of a configuration is what was asked for."""
        if self.address is None:
            return ingest.startswith("ipc://")
        begins = f"tcp://{self.address}:"
        if self.port is None:
            return ingest.startswith(begins)
        return ingest == f"{begins}{self.port}"


def free_ports(first: int, count: int, taken: set[int]) -> int:
    """The first of so many ports in a row of which none is taken.

    Raises:
        BadConfig: There are no such.
    """
    for port in range(first, _LAST_PORT - count, count):
        if not taken & set(range(port, port + count)):
            return port
    raise BadConfig(f"no {count} ports in a row from {first} on that no other instance has")
