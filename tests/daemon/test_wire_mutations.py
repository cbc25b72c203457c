"""What was right and then was mutated, through the decoders of results, requests and compressed counts.

`mutate` takes any number of rounds; ingest headers have their own in the fault rig. Run by itself it decodes as many as
it is told and prints what it counted: ``python tests/daemon/test_wire_mutations.py 1000000``.
"""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from phenostream.daemon.client.errors import JournalReplaced
from phenostream.daemon.client.follower import Follower
from phenostream.daemon.wire.codec import pack, unpack_header, unpack_meta
from phenostream.daemon.wire.control import REQUEST
from phenostream.daemon.wire.encoding import chunk_fault, encodings, pack_counts, unpack_counts
from phenostream.daemon.wire.results import FrameRecord, WireColumn, decode_frame, encode_frame
from phenostream.engine.errors import BadFrame, BadMessage

_WARM_UP = 20_000


def _result() -> bytes:
    columns = {
        "x_px": WireColumn(np.arange(3, dtype=np.float32), "px"),
        "class_probability": WireColumn(np.ones((3, 3), np.float32), "1"),
        "edge": WireColumn(np.zeros(3, bool), "1"),
    }
    return encode_frame(FrameRecord({"run": "r", "fate": "published", "found": 3}, columns))


def _request(data: bytes) -> object:
    return REQUEST.validate_python(unpack_header(data))


def _live(data: bytes) -> None:
    follower = Follower("here", None, repairs=False)
    follower.on_gap = lambda first, last: None
    with suppress(BadMessage):
        follower.take([b"result", (7).to_bytes(8, "big"), data])
    follower.take([b"highwater", b"\0" * 8, data])


_COUNTS = np.arange(2048, dtype=np.uint16) % 97


def _chunk(data: bytes) -> None:
    if chunk_fault(memoryview(data), _COUNTS.nbytes) is None:
        unpack_counts(memoryview(data), _COUNTS.nbytes)


def _targets() -> list[tuple[bytes, Callable[[bytes], object]]]:
    request = pack({"v": 1, "id": 3, "type": "get", "since": 17, "max_bytes": 4096})
    highwater = pack({"v": 1, "type": "highwater", "newest": 41, "utc_ns": 1})
    targets: list[tuple[bytes, Callable[[bytes], object]]] = [
        (_result(), decode_frame),
        (_result(), unpack_meta),
        (_result(), _live),
        (highwater, _live),
        (request, _request),
    ]
    if "blosc2" in encodings():
        targets.append((pack_counts(memoryview(_COUNTS.tobytes()), 2), _chunk))
    return targets


def _mutated(whole: bytes, chance: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind < 2:
            data[place] = chance.randrange(256)
        elif kind == 2:
            data[place:place] = chance.randbytes(chance.randint(1, 9))
        else:
            del data[place : place + chance.randint(1, 9)]
        data = data or bytearray(b"\x80")
    return bytes(data)


def mutate(count: int, seed: int) -> tuple[Counter[str], float]:
    """Decode so many mutations: how they ended (`accepted`, `refused`), and MiB that the process grew by.

    Raises:
        Exception: Whatever is not a refusal: a decoder that breaks its promise.
    """
    chance, targets, counts = random.Random(seed), _targets(), Counter[str]()  # noqa: S311  # no secret
    before_mib = 0.0
    for number in range(count):
        if number == min(_WARM_UP, count // 2):
            before_mib = _resident_mib()
        whole, decode = targets[number % len(targets)]
        try:
            decode(_mutated(whole, chance))
            counts["accepted"] += 1
        except (BadMessage, BadFrame, JournalReplaced, ValidationError):
            counts["refused"] += 1
    return counts, _resident_mib() - before_mib


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_every_mutation_is_a_message_or_a_refusal_and_leaves_nothing_behind() -> None:
    counts, grown_mib = mutate(60_000, seed=4)
    assert counts["accepted"] > 1000
    assert counts["refused"] > 10_000
    assert grown_mib < 10


if __name__ == "__main__":
    found, grown = mutate(int(sys.argv[1]), seed=4)
    sys.stdout.write(json.dumps({**found, "grown_mib": grown}) + "\n")
