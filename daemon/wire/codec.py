"""Bytes to plain msgpack values and back, with a limit on every length.

Knows nothing of what a message means. Every decoder here is safe on hostile bytes: it raises `BadMessage` and allocates
little more than the input's own size: of a header, at most 64 KiB long, some MiB; of a result, its size and 64 MiB.
"""

from typing import Any, Final

import msgpack

from phenostream.engine.errors import BadMessage

MAX_HEADER_BYTES: Final = 64 << 10
"""Longest ingest header."""
MAX_RESULT_BYTES: Final = 64 << 20
"""Longest journal record payload and result message."""
MOST_VALUES: Final = 65_536
"""Values in the lists and maps of one result: an empty list takes a byte on the wire and 64 in memory."""

_HEADER_LIMITS: Final = {
    "max_str_len": 4096,
    "max_bin_len": 4096,
    "max_array_len": 64,
    "max_map_len": 64,
    "max_ext_len": 0,
}
MAX_REQUEST_TEXT_BYTES: Final = 8192
"""Longest text in a control request: a summary in its longest style, in any language."""
_REQUEST_LIMITS: Final = _HEADER_LIMITS | {"max_str_len": MAX_REQUEST_TEXT_BYTES}
_RESULT_LIMITS: Final = {
    "max_str_len": 1 << 16,
    "max_bin_len": MAX_RESULT_BYTES,
    "max_array_len": 4096,
    "max_map_len": 256,
    "max_ext_len": 0,
}


class _Budget:
    """Counts the values of lists and maps as they are made, and stops at the limit."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def __call__(self, value: Any) -> Any:
        self._left -= len(value) + 1
        if self._left < 0:
            raise ValueError(f"more than {MOST_VALUES} values")
        return value


def pack(value: dict[str, Any]) -> bytes:
    """Encode one map with string keys."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def unpack_header(data: bytes | memoryview) -> dict[str, Any]:
    """Decode an ingest header.

    Raises:
        BadMessage: Longer than 64 KiB, not msgpack, not a map with text keys, or a length beyond its limit.
    """
    return _unpack(data, MAX_HEADER_BYTES, _HEADER_LIMITS, "header")


def unpack_request(data: bytes | memoryview) -> dict[str, Any]:
    """Decode a control request: as a header, with longer texts; see `unpack_header` for what is raised."""
    return _unpack(data, MAX_HEADER_BYTES, _REQUEST_LIMITS, "request")


def unpack_result(data: bytes | memoryview) -> dict[str, Any]:
    """Decode a result, summary or status payload; see `unpack_header` for what is raised."""
    return _unpack(data, MAX_RESULT_BYTES, _RESULT_LIMITS, "result")


def unpack_meta(data: bytes | memoryview) -> dict[str, Any]:
    """A result, summary or status payload without its columns, which are stepped over: half the time.

    Raises:
        BadMessage: As `unpack_header`.
    """
    if len(data) > MAX_RESULT_BYTES:
        raise BadMessage(f"result: {len(data)} bytes, allowed 1 to {MAX_RESULT_BYTES}")
    budget = _Budget()
    unpacker = msgpack.Unpacker(
        raw=False,
        strict_map_key=True,
        max_buffer_size=MAX_RESULT_BYTES,
        list_hook=budget,
        object_hook=budget,
        **_RESULT_LIMITS,
    )
    meta: dict[str, Any] = {}
    try:
        unpacker.feed(data)
        entries = unpacker.read_map_header()
        if entries > _RESULT_LIMITS["max_map_len"]:
            raise ValueError(f"{entries} entries")
        for _ in range(entries):
            key = unpacker.unpack()
            if not isinstance(key, str):
                raise TypeError(f"{type(key).__name__} as key")
            if key == "columns":
                unpacker.skip()
            else:
                meta[key] = unpacker.unpack()
        if unpacker.tell() != len(data):
            raise ValueError("bytes after the map")
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as err:
        reason = str(err) or type(err).__name__
        raise BadMessage(f"result: not msgpack within limits ({reason[:120]})") from err
    return meta


def _unpack(
    data: bytes | memoryview, max_bytes: int, limits: dict[str, int], what: str
) -> dict[str, Any]:
    if len(data) > max_bytes:
        raise BadMessage(f"{what}: {len(data)} bytes, allowed 1 to {max_bytes}")
    budget = _Budget()
    try:
        value = msgpack.unpackb(
            data, raw=False, strict_map_key=True, list_hook=budget, object_hook=budget, **limits
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as err:
        reason = str(err) or type(err).__name__
        raise BadMessage(f"{what}: not msgpack within limits ({reason[:120]})") from err
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BadMessage(f"{what}: {type(value).__name__}, expected a map with text keys")
    return value
