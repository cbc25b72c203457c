"""Compressed counts: what a `blosc2` data part must be, checked before it is decoded, and both directions.

A data part is one Blosc2 chunk: LZ4 (or LZ4HC) behind a bit shuffle, nothing else. The header of a chunk can ask Blosc2
for other codecs, filters, dictionaries and plug-ins; each is a way into more C code, so each is refused here. The
length a chunk claims is compared with what START announced before any memory is taken. The library is optional and is
imported with the first chunk; its decoder lets other threads run.
"""

import struct
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.daemon.wire.ingest import Encoding
from phenostream.engine.errors import BadFrame, MissingPackage

_PACKAGE: Final = "imagecodecs"
MISSING: Final = f"{_PACKAGE} is not installed: pip install 'phenostream[compression]'"
MOST_BLOCK_BYTES: Final = 16 << 20
"""Largest block inside a chunk; the decoder takes scratch memory of about its size."""
LONGEST_BYTES: Final = 2**31 - 1 - 32
"""Counts that fit in one chunk."""

# version, LZ version, flags, type size, counts, block and chunk in bytes, filters, codec, its parameter, filter
# parameters, reserved, flags of Blosc2: https://github.com/Blosc/c-blosc2/blob/main/README_CHUNK_FORMAT.rst
_HEAD: Final = struct.Struct("<BBBBiii6sBB6sBB")
_VERSIONS: Final = (5, 1)
_EXTENDED, _STORED, _UNSPLIT, _LZ4 = 0x05, 0x02, 0x10, 0x20
_TYPE_BYTES: Final = (1, 2, 4, 8)
_LZ4_CODECS: Final = (0, 1, 2)
_ORDINARY, _ZEROS = 0x00, 0x10
_BIT_SHUFFLE: Final = 2
_LEVEL: Final = 5


def encodings() -> tuple[Encoding, ...]:
    """What this installation can read."""
    return ("raw", "blosc2") if find_spec(_PACKAGE) is not None else ("raw",)


def chunk_fault(data: memoryview, n_bytes: int) -> str | None:
    """Why a data part is not a chunk that gives exactly `n_bytes` of counts, as ``encoding: text``; None if it may be.

    Looks at the 32 bytes of the header; takes no memory and decodes nothing.
    """
    if data.nbytes < _HEAD.size:
        return f"encoding: blosc2 chunk of {data.nbytes} bytes, its header has {_HEAD.size}"
    (version, lz_version, flags, size, counts, block, chunk, filters, codec, meta, filter_meta, reserved, special) = (
        _HEAD.unpack_from(data)
    )  # fmt: skip
    if counts != n_bytes:
        return f"encoding: blosc2 chunk claims {counts} bytes of counts, expected {n_bytes}"
    if chunk != data.nbytes:
        return f"encoding: blosc2 chunk claims {chunk} bytes, {data.nbytes} came"
    plain = (version, lz_version) == _VERSIONS and not (meta or any(filter_meta) or reserved)
    plain = plain and size in _TYPE_BYTES
    lz4 = flags & ~(_STORED | _UNSPLIT) == _EXTENDED | _LZ4 and codec in _LZ4_CODECS
    shuffled = sorted(filters) == [0, 0, 0, 0, 0, _BIT_SHUFFLE]
    if not (plain and lz4 and shuffled and special in (_ORDINARY, _ZEROS)):
        return "encoding: blosc2 chunk of another kind, allowed LZ4 with the bit shuffle"
    return _layout_fault(data.nbytes, n_bytes, block, stored=bool(flags & _STORED), special=special)


def pack_counts(counts: memoryview, item_bytes: int) -> bytes:
    """Counts as one chunk.

    Raises:
        MissingPackage: The library is not installed.
        BadFrame: More than fits in one chunk.
    """
    if counts.nbytes > LONGEST_BYTES:
        raise BadFrame(f"encoding: {counts.nbytes} bytes of counts, allowed {LONGEST_BYTES}")
    typed = np.frombuffer(counts, f"<u{item_bytes}")
    packed: bytes = _library().blosc2_encode(
        typed, _LEVEL, compressor="lz4", shuffle="bitshuffle", numthreads=1
    )
    return packed


def unpack_counts(chunk: memoryview, n_bytes: int) -> npt.NDArray[np.uint8]:
    """The `n_bytes` of counts of a chunk that `chunk_fault` let pass, in memory of their own.

    Raises:
        BadFrame: The chunk does not decode to exactly that.
        MissingPackage: The library is not installed.
    """
    library, counts = _library(), np.empty(n_bytes, np.uint8)
    try:
        got: npt.NDArray[Any] = library.blosc2_decode(chunk, numthreads=1, out=counts)
    except (RuntimeError, ValueError) as err:
        raise BadFrame(f"encoding: blosc2 chunk does not decode ({str(err)[:80]})") from err
    if len(got) != n_bytes:
        raise BadFrame(f"encoding: blosc2 chunk gave {len(got)} bytes, expected {n_bytes}")
    return counts


def _layout_fault(chunk: int, counts: int, block: int, *, stored: bool, special: int) -> str | None:
    """Whether the lengths inside the header agree with each other."""
    if special == _ZEROS:
        fits = chunk == _HEAD.size
    elif stored:
        fits = chunk == _HEAD.size + counts
    else:
        table = 4 * -(-counts // block) if block > 0 else counts  # where each block begins
        fits = _HEAD.size + table < chunk
    if fits and 0 < block <= min(counts, MOST_BLOCK_BYTES):
        return None
    return f"encoding: blosc2 chunk of {chunk} bytes cannot hold {counts} in blocks of {block}"


def _library() -> ModuleType:
    try:
        return import_module(_PACKAGE)
    except ImportError as err:
        raise MissingPackage(MISSING) from err
