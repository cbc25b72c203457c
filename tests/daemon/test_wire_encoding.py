"""Compressed counts: exact round trips, odd headers refused before memory is taken, and a decoder that survives."""

import struct
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.daemon.wire import encoding
from phenostream.daemon.wire.encoding import (
    LONGEST_BYTES,
    MOST_BLOCK_BYTES,
    chunk_fault,
    encodings,
    pack_counts,
    unpack_counts,
)
from phenostream.engine.errors import BadFrame, MissingPackage

SEEDED = np.random.default_rng(3)
SHOTS: dict[str, npt.NDArray[Any]] = {
    "smooth u16": (np.mgrid[0:128, 0:131].sum(0) * 9 + SEEDED.poisson(40, (128, 131))).astype(
        "<u2"
    ),
    "noise u16": SEEDED.integers(0, 65536, (129, 131), dtype="<u2"),
    "zeros u16": np.zeros((128, 128), "<u2"),
    "flat u8": np.full((128, 128), 7, "u1"),
    "noise u8": SEEDED.integers(0, 256, (129, 131), dtype="u1"),
    "many blocks u16": (SEEDED.poisson(90, (700, 1000))).astype("<u2"),
}


def view(counts: npt.NDArray[Any]) -> memoryview:
    return counts.data.cast("B")


@pytest.mark.parametrize("name", SHOTS)
def test_what_is_packed_passes_the_check_and_comes_out_the_same(name: str) -> None:
    counts = view(SHOTS[name])
    chunk = memoryview(pack_counts(counts, SHOTS[name].itemsize))
    assert chunk_fault(chunk, counts.nbytes) is None
    assert bytes(unpack_counts(chunk, counts.nbytes)) == bytes(counts)


def test_camera_counts_get_smaller() -> None:
    counts = view(SHOTS["many blocks u16"])
    assert len(pack_counts(counts, 2)) < 0.7 * counts.nbytes


CHUNK = pack_counts(view(SHOTS["smooth u16"]), 2)
COUNTS = SHOTS["smooth u16"].nbytes
KIND = "of another kind"


def edited(at: int, code: str, value: int, chunk: bytes = CHUNK) -> bytes:
    """A chunk with one value of its header changed."""
    changed = bytearray(chunk)
    struct.pack_into(code, changed, at, value)
    return bytes(changed)


BAD_CHUNKS: list[tuple[str, bytes, int, str]] = [
    ("nothing", b"", COUNTS, "chunk of 0 bytes"),
    ("half a header", CHUNK[:31], COUNTS, "chunk of 31 bytes"),
    ("cut short", CHUNK[:-1], COUNTS, "claims"),
    ("longer", CHUNK + b"\0", COUNTS, "claims"),
    ("a bomb", edited(4, "<i", 2**31 - 1), COUNTS, "claims 2147483647 bytes of counts"),
    ("a negative size", edited(4, "<i", -1), COUNTS, "claims -1 bytes of counts"),
    ("one count less", edited(4, "<i", COUNTS - 2), COUNTS, "bytes of counts"),
    ("another frame's size", CHUNK, COUNTS * 4, "bytes of counts"),
    ("an older format", edited(0, "B", 2), COUNTS, KIND),
    ("a newer format", edited(0, "B", 6), COUNTS, KIND),
    ("another LZ4", edited(1, "B", 9), COUNTS, KIND),
    ("blosclz", edited(2, "B", CHUNK[2] & 0x1F), COUNTS, KIND),
    ("zstd", edited(2, "B", CHUNK[2] & 0x1F | 0x80), COUNTS, KIND),
    ("a plug-in codec", edited(2, "B", CHUNK[2] & 0x1F | 0xC0), COUNTS, KIND),
    ("a plug-in's number", edited(22, "B", 35), COUNTS, KIND),
    ("a codec's parameter", edited(23, "B", 255), COUNTS, KIND),
    ("the delta filter", edited(2, "B", CHUNK[2] | 0x08), COUNTS, KIND),
    ("no extended header", edited(2, "B", CHUNK[2] & ~0x04), COUNTS, KIND),
    ("no filter", edited(21, "B", 0), COUNTS, KIND),
    ("another filter", edited(21, "B", 4), COUNTS, KIND),
    ("two filters", edited(16, "B", 2), COUNTS, KIND),
    ("a filter's parameter", edited(24, "B", 1), COUNTS, KIND),
    ("something reserved", edited(30, "B", 1), COUNTS, KIND),
    ("a dictionary", edited(31, "B", 0x01), COUNTS, KIND),
    ("a longer header", edited(31, "B", 0x02), COUNTS, KIND),
    ("a lazy chunk", edited(31, "B", 0x08), COUNTS, KIND),
    ("a run of NaN", edited(31, "B", 0x20), COUNTS, KIND),
    ("a repeated value", edited(31, "B", 0x30), COUNTS, KIND),
    ("uninitialised memory", edited(31, "B", 0x40), COUNTS, KIND),
    ("wide types", edited(3, "B", 255), COUNTS, KIND),
    ("no block", edited(8, "<i", 0), COUNTS, "blocks of 0"),
    ("a negative block", edited(8, "<i", -8), COUNTS, "blocks of -8"),
    ("a block beyond the counts", edited(8, "<i", COUNTS + 1), COUNTS, "in blocks of"),
    ("blocks of one byte", edited(8, "<i", 1), COUNTS, "blocks of 1"),
    ("stored, not all of it", edited(2, "B", CHUNK[2] | 2), COUNTS, "cannot hold"),
    ("zeros and more", edited(31, "B", 0x10), COUNTS, "cannot hold"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("chunk", "n_bytes", "said"), [case[1:] for case in BAD_CHUNKS], ids=[c[0] for c in BAD_CHUNKS]
)
def test_a_chunk_that_is_no_frame_is_refused_by_its_header(
    chunk: bytes, n_bytes: int, said: str
) -> None:
    fault = chunk_fault(memoryview(chunk), n_bytes)
    assert fault is not None
    assert fault.startswith("encoding: ")
    assert said in fault
    assert "\n" not in fault


def test_a_giant_block_is_refused_even_where_the_counts_are_that_many() -> None:
    giant = MOST_BLOCK_BYTES * 2
    chunk = edited(8, "<i", giant, edited(4, "<i", giant))
    assert "cannot hold" in (chunk_fault(memoryview(chunk), giant) or "")


def test_a_bomb_is_refused_before_memory_is_taken() -> None:
    bomb = memoryview(edited(4, "<i", 2**31 - 1))
    tracemalloc.start()
    try:
        assert chunk_fault(bomb, COUNTS) is not None
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


def test_damage_behind_the_header_is_a_bad_frame() -> None:
    damaged = memoryview(CHUNK[:32] + b"\xff" * 32 + CHUNK[64:])
    assert chunk_fault(damaged, COUNTS) is None
    with pytest.raises(BadFrame, match=r"^encoding: blosc2 chunk does not decode"):
        unpack_counts(damaged, COUNTS)


FUZZ = """
import random, sys
from phenostream.daemon.wire.encoding import chunk_fault, unpack_counts
from phenostream.engine.errors import BadFrame
chunk, chance, passed = sys.stdin.buffer.read(), random.Random(int(sys.argv[1])), 0
n_bytes = int.from_bytes(chunk[4:8], "little")
for _ in range(4000):
    bad = bytearray(chunk)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(bad)) if chance.random() < 0.5 else chance.randrange(400)
        size = chance.choice((1, 4, 4, 300))
        value = chance.choice((bytes(size), b"\\xff" * size, b"\\x7f" * size, chance.randbytes(size)))
        bad[at : at + size] = value[: len(bad[at : at + size])]
    if chance.random() < 0.2:
        del bad[chance.randrange(33, len(bad)) :]
        bad[12:16] = len(bad).to_bytes(4, "little")
    if chunk_fault(memoryview(bad), n_bytes) is None:
        passed += 1
        try:
            assert unpack_counts(memoryview(bad), n_bytes).nbytes == n_bytes
        except BadFrame:
            pass
print(passed)
"""


@pytest.mark.parametrize("seed", range(3))
def test_no_mutation_kills_the_process(seed: int) -> None:
    """In a process of its own: a fault in the C library would be a signal, not an exception."""
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(seed)], input=CHUNK, capture_output=True, check=False
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])
    assert int(done.stdout) > 500


def test_counts_that_fit_in_no_chunk_are_refused() -> None:
    class Giant:
        nbytes = LONGEST_BYTES + 1

    with pytest.raises(BadFrame, match="allowed 2147483615"):
        pack_counts(Giant(), 2)  # type: ignore[arg-type]  # 2 GiB would be the real thing


def test_without_the_library_only_raw_is_promised_and_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert encodings() == ("raw", "blosc2")
    monkeypatch.setattr(encoding, "_PACKAGE", "not_installed_here")
    assert encodings() == ("raw",)
    with pytest.raises(MissingPackage, match=r"phenostream\[compression\]"):
        pack_counts(view(SHOTS["flat u8"]), 1)
