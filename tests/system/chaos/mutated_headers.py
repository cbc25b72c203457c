"""A million headers that were right and then were mutated, through the decoders of both ends; a process of its own.

Reads one JSON line with `seed` and `count`. Whatever bytes come, a decoder gives a message or raises `BadMessage`, and
keeps nothing. Prints what it counted as one JSON line: `accepted`, `refused`, `escaped` (another exception: a breach),
`first_escape`, `grown_mib`.
"""

import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import (
    Ack,
    End,
    FrameHeader,
    Hello,
    Refused,
    Report,
    ShotHeader,
    Started,
    Welcome,
    decode_from_daemon,
    decode_from_source,
)
from phenostream.engine.errors import BadMessage
from tests.system.small_camera import small_start

_WARM_UP = 20_000
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**64 - 1, -(2**63), 1e308, float("nan"), float("inf"),
    "", "x" * 5000, "\x00", b"", b"\xff" * 5000, [], [0] * 70, {}, {"a": {"b": {"c": 1}}},
)  # fmt: skip


def valid_headers() -> list[tuple[dict[str, Any], Callable[[bytes], object]]]:
    """One of every kind, with the decoder that reads it."""
    start = small_start()
    named: dict[str, Any] = {"run": start.run, "frame_seq": 7, "dtype": "u8", "source_utc_ns": 1}
    sources = [
        Hello(instrument="scope", run=start.run),
        start,
        FrameHeader(shape=(4, 128, 128), **named),
        ShotHeader(shape=(128, 128), illumination="left", **named),
        End(run=start.run, n_frames=8),
    ]
    daemons = [
        Welcome(max_message_bytes=1 << 20, credit_bytes=1 << 20),
        Started(run=start.run, last_acked=3),
        Ack(run=start.run, frame_seq=7, fate="published"),
        Report(run=start.run, ledger={"received": 8}),
        Refused(reason="message: no"),
    ]
    return [(message.model_dump(), decode_from_source) for message in sources] + [
        (message.model_dump(), decode_from_daemon) for message in daemons
    ]


def mutated(header: dict[str, Any], chance: random.Random) -> bytes:
    """The header with a value, a key or some bytes changed."""
    fields, kind = dict(header), chance.randrange(4)
    if kind == 0:
        fields[chance.choice(list(fields))] = chance.choice(_VALUES)
    elif kind == 1:
        fields.pop(chance.choice(list(fields)))
        fields[chance.choice(("vv", "type ", "run\x00", "é"))] = chance.choice(_VALUES)
    data = bytearray(pack(fields))
    if kind >= 2:
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    if kind == 3:
        cut = chance.randrange(len(data))
        data[cut:] = chance.randbytes(chance.randrange(40)) if chance.random() < 0.5 else b""
    return bytes(data)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Decode them all."""
    plan = json.loads(sys.stdin.readline())
    chance, headers = random.Random(plan["seed"]), valid_headers()  # noqa: S311 - no secret
    counts: Counter[str] = Counter()
    first_escape, before = None, 0.0
    for number in range(plan["count"]):
        if number == min(_WARM_UP, plan["count"] // 2):
            before = _resident_mib()
        header, decode = headers[number % len(headers)]
        data = mutated(header, chance)
        try:
            decode(data)
            counts["accepted"] += 1
        except BadMessage:
            counts["refused"] += 1
        except Exception as err:
            counts["escaped"] += 1
            first_escape = first_escape or f"{type(err).__name__}: {err} on {data[:200].hex()}"
    told = {"grown_mib": _resident_mib() - before, "first_escape": first_escape}
    sys.stdout.write(
        json.dumps({"accepted": 0, "refused": 0, "escaped": 0, **counts, **told}) + "\n"
    )


if __name__ == "__main__":
    main()
