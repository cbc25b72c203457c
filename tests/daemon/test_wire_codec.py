"""The decoders against hostile bytes: `BadMessage` and nothing else, and no more memory than the input pays for."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenostream.daemon.wire.codec import (
    MAX_HEADER_BYTES,
    MAX_RESULT_BYTES,
    pack,
    unpack_header,
    unpack_meta,
    unpack_result,
)
from phenostream.engine.errors import BadMessage

DECODERS: list[Callable[[bytes], dict[str, Any]]] = [unpack_header, unpack_result, unpack_meta]

HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "never used byte": b"\xc1",
    "not a map": msgpack.packb([1, 2]),
    "number": b"\x01",
    "integer key": msgpack.packb({1: 2}),
    "bytes key": msgpack.packb({b"a": 2}),
    "trailing bytes": pack({"v": 1}) + b"\x00",
    "cut short": pack({"v": "long enough"})[:-1],
    "array of 2^32 - 1": b"\x81\xa1v\xdd\xff\xff\xff\xff",
    "map of 2^32 - 1": b"\xdf\xff\xff\xff\xff",
    "text of 4 GiB": b"\x81\xa1v\xdb\xff\xff\xff\xff",
    "bytes of 4 GiB": b"\x81\xa1v\xc6\xff\xff\xff\xff",
    "nested 60000 deep": b"\x81\xa1v" + b"\x91" * 60_000,
    "nested maps": b"\x81\xa1v" * 20_000,
    "extension": msgpack.packb({"v": msgpack.ExtType(5, b"x")}),
    "timestamp": b"\x81\xa1v\xd6\xff\x00\x00\x00\x00",
    "broken UTF-8": b"\x81\xa1v\xa1\xff",
    "too many entries": pack({str(n): n for n in range(300)}),
    "long array": pack({"v": [None] * 5000}),
}


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_are_a_bad_message(
    decode: Callable[[bytes], dict[str, Any]], data: bytes
) -> None:
    with pytest.raises(BadMessage):
        decode(data)


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_cost_no_more_memory_than_their_size_pays_for(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadMessage):
            unpack_header(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000 + 64 * len(data)


def test_lengths_at_the_limit_pass_and_beyond_are_named() -> None:
    assert unpack_header(pack({"text": "a" * 4096})) == {"text": "a" * 4096}
    with pytest.raises(BadMessage):
        unpack_header(pack({"text": "a" * 4097}))
    with pytest.raises(BadMessage, match=f"{MAX_HEADER_BYTES + 1} bytes, allowed 1 to 65536"):
        unpack_header(bytes(MAX_HEADER_BYTES + 1))
    with pytest.raises(BadMessage, match=f"allowed 1 to {MAX_RESULT_BYTES}"):
        unpack_result(memoryview(bytes(MAX_RESULT_BYTES + 1)))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_map_or_a_bad_message(data: bytes) -> None:
    for decode in DECODERS:
        with suppress(BadMessage):
            assert all(isinstance(key, str) for key in decode(data))


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), PLAIN, max_size=8))
def test_plain_maps_come_back_as_they_were(value: dict[str, Any]) -> None:
    assert repr(unpack_header(pack(value))) == repr(value)
    assert repr(unpack_result(pack(value))) == repr(value)
    assert repr(unpack_meta(pack({"columns": {"y": b"1"}} | value))) == repr(
        {key: inner for key, inner in value.items() if key != "columns"}
    )
