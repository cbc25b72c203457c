"""Negative controls: faults that are planted in the product, to see that the table fails.

Each patches one function of one process, from outside, before it begins. The product has no switch that breaks it.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import zmq

import phenostream.daemon.assembly as assembly
from phenostream.daemon.client.in_flight import InFlight
from phenostream.daemon.ledger import Ledger, Standing

LATE_S: Final = 0.2
"""How much too late `acknowledge-before-fsync` syncs."""


@dataclass(frozen=True)
class Control:
    """One of them.

    Attributes:
        breaks: Number of the promise that must be BROKEN.
        what: What it does, for a person.
        where: The process in which `plant` is called.
    """

    breaks: int
    what: str
    where: Literal["daemon", "microscope"]
    plant: Callable[[], None]


def _sync_late() -> None:
    sync = os.fdatasync

    def late(fd: Any) -> None:
        copy = os.dup(fd)

        def make_durable() -> None:
            sync(copy)
            os.close(copy)

        timer = threading.Timer(LATE_S, make_durable)
        timer.daemon = True
        timer.start()

    module: Any = os
    module.fdatasync = late


def _forget_fates() -> None:
    standing = Ledger.standing

    def forgetful(self: Ledger, run: str, frame_seq: int) -> Standing:
        stands = standing(self, run, frame_seq)
        return Standing("new") if stands.kind == "settled" else stands

    def none_acked(_self: Ledger, _run: str) -> int | None:
        return None

    vars_of: Any = Ledger
    vars_of.standing, vars_of.last_acked = forgetful, none_acked


def _no_byte_budget() -> None:
    def unlimited(_budget_bytes: int, _max_cells_per_frame: int) -> int:
        return 0  # ZeroMQ's word for no bound

    module: Any = assembly
    module.send_high_water = unlimited


def _no_longest_message() -> None:
    limited = zmq.Socket.setsockopt

    def unlimited(self: Any, option: int, value: Any) -> None:
        if option != zmq.MAXMSGSIZE:
            limited(self, option, value)

    socket: Any = zmq.Socket
    socket.setsockopt = unlimited


def _forget_unsettled() -> None:
    def nothing_left(self: InFlight) -> int:
        self.settle_up_to(self.end)
        return 0

    flight: Any = InFlight
    flight.rewind = nothing_left


CONTROLS: Final = {
    "acknowledge-before-fsync": Control(
        1, f"fdatasync happens {LATE_S} s after it has returned", "daemon", _sync_late
    ),
    "no-deduplication": Control(
        1, "the ledger takes a frame that has its fate for a new one", "daemon", _forget_fates
    ),
    "forgetful-source": Control(
        1, "a source sends nothing again after a loss", "microscope", _forget_unsettled
    ),
    "no-byte-budget": Control(
        5, "no bound on what waits for one subscriber", "daemon", _no_byte_budget
    ),
    "no-longest-message": Control(
        6, "sockets take parts of any length", "daemon", _no_longest_message
    ),
}
