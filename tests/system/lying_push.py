"""A best-effort source that lies by a script: it pushes, hears nothing, and speaks for another's run too.

As `lying_source`: the account of its run, of its port and of the run it meddles with follow from the script alone.
"""

import random
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import zmq

from phenostream.daemon.wire.codec import pack, unpack_header
from phenostream.daemon.wire.ingest import End, FrameHeader, Hello, Start, encode
from tests.system.lying_source import CELLS, Act

WRONG: Final = ("crc32", "shape", "length", "header")
LIES: Final = ("again", "start", "foreign", "unstarted", "garbage", "hello", "small_end")
_OUTCOME: Final = {
    **dict.fromkeys(("frame", "crc32", "shape", "length", "again"), "frames"),
    **dict.fromkeys(("header", "garbage", "hello"), "malformed"),
    **dict.fromkeys(("foreign", "small_end"), "refused"),
    "start": "starts",
    "unstarted": "unstarted",
    "end": "ends",
}


def script(seed: int, n_frames: int) -> list[Act]:
    """START, acts that use or drop every number below `n_frames`, out of order and with lies between, and END."""
    chance = random.Random(seed)  # noqa: S311 - a script, not a secret
    numbers = sorted(range(n_frames), key=lambda number: number + chance.uniform(0, 6))
    acts, used = [Act("unstarted"), Act("start")], [0]
    for number in numbers:
        what = chance.choice(("frame", "frame", "frame", "drop", *WRONG)) if number else "frame"
        lies = [lie for lie in LIES if chance.random() < 0.12]
        acts += [Act(lie, chance.choice(used)) for lie in lies if lie != "again" or number in used]
        if what != "drop":
            acts.append(Act(what, number))
            used.append(number)
            if chance.random() < 0.2:
                acts.append(Act("again", number))
    first = next(at for at, act in enumerate(acts) if act.what in ("frame", *WRONG))
    meant = [act for at, act in enumerate(acts) if act.what != "small_end" or at > first]
    return [*meant, Act("end", n_frames)]


def expected(acts: Sequence[Act]) -> tuple[dict[str, int], dict[str, int]]:
    """The run's ledger and the port's counters, without zeros."""
    count = Counter(act.what for act in acts)
    broken = {f"quarantined.{wrong}": count[wrong] for wrong in WRONG}
    quarantined = sum(broken.values())
    received, announced = count["frame"] + quarantined, acts[-1].number
    highest = max(act.number for act in acts if act.what in ("frame", *WRONG))
    ledger = broken | {
        "announced": announced,
        "received": received,
        "published": count["frame"],
        "quarantined": quarantined,
        "gaps": highest + 1 - received,
        "missing": announced - received,
        "duplicates": count["again"],
        "malformed": count["header"],
        "refused": count["small_end"],
        "cells_found": CELLS * count["frame"],
        "cells_classified": CELLS * count["frame"],
    }
    port = Counter(_OUTCOME[act.what] for act in acts) + Counter(messages=len(acts))
    return {key: n for key, n in ledger.items() if n}, dict(port)


def play(
    acts: Sequence[Act], push: "zmq.Socket[bytes]", start: Start, foreign: str, frame: Any
) -> None:
    """Say all of it; nothing is heard."""
    whole = frame.tobytes()
    for what, number in acts:
        push.send_multipart(_parts(what, number, start, foreign, whole))


def _parts(what: str, number: int, start: Start, foreign: str, whole: bytes) -> list[bytes]:
    if what == "start":
        return [encode(start.model_copy(update={"source_utc_ns": 1 + number}))]
    if what in ("end", "small_end"):
        return [encode(End(run=start.run, n_frames=number if what == "end" else 0))]
    if what == "hello":
        return [encode(Hello(instrument=start.instrument))]
    if what == "garbage":
        return [b"\xc1" * 30, b"x"]
    nobody = "00000000-0000-7000-8000-000000000000"
    data = whole[:-1] if what == "length" else whole
    header = FrameHeader(
        run={"foreign": foreign, "unstarted": nobody}.get(what, start.run),
        frame_seq=number,
        shape=(1, 1, 1) if what == "shape" else (4, start.height, start.width),
        dtype="u8",
        source_utc_ns=1 + number,
        crc32=zlib.crc32(data) ^ (what == "crc32"),
    )
    head = encode(header)
    if what == "header":
        head = pack(unpack_header(head) | {"z_um": "high"})
    return [head, data]
