"""Small files beside the segments: one CRC-checked map each, written whole or not at all.

What they say can be found out again from the segments: a sidecar that is missing, damaged or of another version is no
error, it is as if it were not there.
"""

import struct
import zlib
from pathlib import Path
from typing import Any, Final

import msgpack

from phenostream.daemon.journal.durable import replace_file
from phenostream.daemon.wire.codec import pack

VERSION: Final = 1
_MAGIC: Final = b"PSS1"
_HEADER: Final = struct.Struct(">4sIQ")
_MOST_BYTES: Final = 1 << 30


def write_sidecar(path: Path, value: dict[str, Any]) -> None:
    """Put a map in its place; raises OSError, and is then as it was."""
    payload = pack({"v": VERSION, **value})
    replace_file(path, _HEADER.pack(_MAGIC, zlib.crc32(payload), len(payload)) + payload)


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """The map; None where there is none that this version can read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError:
        return None
    if not _HEADER.size <= len(data) <= _MOST_BYTES:
        return None
    magic, crc, length = _HEADER.unpack(data[: _HEADER.size])
    payload = data[_HEADER.size :]
    if magic != _MAGIC or length != len(payload) or zlib.crc32(payload) != crc:
        return None
    most = dict.fromkeys(
        ("max_str_len", "max_bin_len", "max_array_len", "max_map_len"), max(1, length)
    )
    try:
        value = msgpack.unpackb(payload, raw=False, strict_map_key=True, max_ext_len=0, **most)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        return None
    return value if isinstance(value, dict) and value.get("v") == VERSION else None
