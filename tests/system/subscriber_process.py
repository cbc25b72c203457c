"""One subscriber of `subscriber_chaos`, as a process of its own: keeps every record in a file, byte for byte.

`python -m tests.system.subscriber_process RESULTS CONTROL FILE PACE_MS`. A record is one write, so that a kill leaves
whole ones and at most one torn; started again it goes on behind the last whole one. It ends when a run has ended and
all is caught up with, and fails when anything is lost.
"""

import os
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from phenostream.daemon.client.subscriber import Subscriber

_HEAD = struct.Struct(">QBI")
Kept = tuple[int, str, bytes]
"""Offset, topic, payload."""


def kept(path: Path) -> Iterator[tuple[Kept, int]]:
    """Each whole record in a file, and where it ends."""
    data = path.read_bytes() if path.exists() else b""
    place = 0
    while place + _HEAD.size <= len(data):
        offset, topic_length, length = _HEAD.unpack_from(data, place)
        topic_end = place + _HEAD.size + topic_length
        if topic_end + length > len(data):
            return
        topic = data[place + _HEAD.size : topic_end].decode()
        place = topic_end + length
        yield (offset, topic, data[topic_end:place]), place


def lost(first: int, last: int) -> None:
    """Nothing may be."""
    raise RuntimeError(f"offsets {first} to {last} are lost")


def main(results_url: str, control_url: str, file: str, pace_ms: str) -> None:
    """Follow to the end of the run."""
    path, since, end = Path(file), 0, 0
    for (offset, _, _), end in kept(path):  # noqa: B007 - the last ones are wanted
        since = offset + 1
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.ftruncate(descriptor, end)
    with Subscriber(results_url, control_url, since, connect_timeout_s=60) as results:
        results.on_gap = lost
        for record in results.until_end():
            topic = record.topic.encode()
            head = _HEAD.pack(record.offset, len(topic), len(record.payload))
            os.write(descriptor, head + topic + record.payload)
            time.sleep(float(pace_ms) / 1e3)  # how slow it is, not what it waits for
    os.close(descriptor)


if __name__ == "__main__":
    main(*sys.argv[1:])
