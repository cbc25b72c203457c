"""What one connection under CURVE carries on this box, and saying at the start when that is less than what is coming.

Both ends run here, so a box of its own at the other end gives more; libzmq encrypts a connection in one thread, so
cores do not help one connection, and more connections do.
"""

import logging
import time
from contextlib import ExitStack
from typing import Final

import zmq

from phenostream.daemon.config import Config
from phenostream.daemon.security.keys import ClientKeys, KeyPair
from phenostream.daemon.socket_options import Context

logger = logging.getLogger(__name__)

_PART_BYTES: Final = 8 << 20
"""About a frame: libzmq carries less of large parts than of small ones."""
_AHEAD: Final = 2
_LONGEST_S: Final = 0.5
_MOST_PARTS: Final = 40
_PATIENCE_MS: Final = 5000


def measured_mb_per_s() -> float:
    """Megabytes (10^6) a second over loopback under CURVE, measured for half a second; 0 if nothing came through."""
    pair, mine, part = KeyPair.new(), KeyPair.new(), bytes(_PART_BYTES)
    with ExitStack() as stack:
        here, there = (stack.enter_context(_context()) for _ in range(2))
        taker, giver = here.socket(zmq.PULL), there.socket(zmq.PUSH)
        for one in (taker, giver):
            stack.callback(one.close, 0)
            one.setsockopt(zmq.RCVTIMEO, _PATIENCE_MS)
            one.setsockopt(zmq.SNDTIMEO, _PATIENCE_MS)
        taker.setsockopt(zmq.CURVE_SERVER, 1)
        taker.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)
        ClientKeys(mine, pair.public).set_on(giver)
        giver.connect(f"tcp://127.0.0.1:{taker.bind_to_random_port('tcp://127.0.0.1')}")
        try:
            for _ in range(_AHEAD):
                giver.send(part, copy=False)
            taker.recv(copy=False)  # both have shaken hands
            began_s, parts = time.monotonic(), 0
            while parts < _MOST_PARTS and time.monotonic() - began_s < _LONGEST_S:
                giver.send(part, copy=False)
                taker.recv(copy=False)
                parts += 1
        except zmq.Again:
            return 0.0
        return parts * _PART_BYTES / 1e6 / (time.monotonic() - began_s)


def _context() -> Context:
    return zmq.Context()


def shortfall(config: Config) -> str | None:
    """What to do where the expected rate is more than CURVE carries; None where it is not, or was not told."""
    expected = config.ingest.expected_mb_per_s
    keyed = config.ingest.endpoint.startswith("tcp://") and not config.is_plain(
        "ingest", config.ingest.endpoint
    )
    if not expected or not keyed:
        return None
    measured = measured_mb_per_s()
    if measured >= expected:
        return None
    return (
        f"ingest.expected_mb_per_s: {expected:g}, but a connection under CURVE carries about {measured:.0f} MB/s on "
        "this box: use ipc on the box, several connections, u8 or compressed frames; or security.plain = "
        "['ingest'] inside WireGuard or on a link of its own"
    )


def warn_of_shortfall(config: Config) -> None:
    """Say it in the log."""
    if (line := shortfall(config)) is not None:
        logger.warning("%s", line)
