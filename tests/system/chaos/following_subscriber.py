"""A subscriber as a process that may be stopped and killed: the SDK, telling of every record what its bytes are.

Reads one JSON line with `results`, `control`, `since`. Writes ``OFFSET TOPIC SHA256`` for each record it is given, and
``gap FIRST LAST`` for what it is told is lost.
"""

import hashlib
import json
import sys
from typing import Any

import phenostream.daemon.client.follower as follower
from phenostream.daemon.client.control import Stored
from phenostream.daemon.client.errors import Unreachable
from phenostream.daemon.client.subscriber import Subscriber


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def line_of(offset: int, topic: str, payload: bytes) -> str:
    """What is told of a record."""
    return f"{offset} {topic} {hashlib.sha256(payload).hexdigest()}"


def _keep_digests() -> dict[int, str]:
    """The line of each record as its bytes came, before anything was made of them, by offset."""
    lines: dict[int, str] = {}
    decode = vars(follower)["decode_record"]

    def decode_and_note(stored: Stored) -> Any:
        lines[stored.offset] = line_of(stored.offset, stored.topic, stored.payload)
        return decode(stored)

    vars(follower)["decode_record"] = decode_and_note
    return lines


def main() -> None:
    """Follow for ever; a daemon that is away for a while is waited for."""
    plan, lines = json.loads(sys.stdin.readline()), _keep_digests()
    with Subscriber(
        plan["results"], plan["control"], plan["since"], connect_timeout_s=60
    ) as subscriber:
        subscriber.on_gap = lambda first, last: _tell(f"gap {first} {last}")
        while True:
            try:
                for record in subscriber:
                    _tell(lines.pop(record.offset))
            except Unreachable:
                continue  # the daemon is being started again


if __name__ == "__main__":
    main()
