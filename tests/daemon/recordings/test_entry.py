import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenostream.daemon.recordings.entry import (
    HEAD_BYTES,
    Coding,
    Kind,
    decode_data,
    encode_entry,
    is_whole,
    parse_head,
)

U64 = st.integers(0, 2**64 - 1)


@given(
    st.binary(max_size=200),
    st.none() | st.binary(max_size=5000),
    st.tuples(U64, U64),
    st.integers(0, 9),
)
def test_what_goes_in_comes_out(
    header: bytes, data: bytes | None, times_ns: tuple[int, int], level: int
) -> None:
    raw = b"".join(encode_entry(Kind.MESSAGE, header, data, times_ns, level))
    head = parse_head(raw[:HEAD_BYTES])
    assert head is not None
    assert (head.since_start_ns, head.utc_ns) == times_ns
    stored = raw[HEAD_BYTES + len(header) :]
    assert is_whole(head, header, stored)
    assert decode_data(head, stored) == data


@given(st.binary(max_size=40), st.none() | st.binary(max_size=200), st.data())
def test_no_flipped_bit_passes(header: bytes, data: bytes | None, draw: st.DataObject) -> None:
    raw = bytearray(b"".join(encode_entry(Kind.MESSAGE, header, data, (1, 2), 6)))
    bit = draw.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    head = parse_head(bytes(raw[:HEAD_BYTES]))
    body = bytes(raw[HEAD_BYTES:])
    assert head is None or not is_whole(head, body[: len(header)], body[len(header) :])


def test_data_that_does_not_shrink_is_stored_raw() -> None:
    noise = bytes(range(256))
    head = parse_head(bytes(encode_entry(Kind.MESSAGE, b"h", noise, (0, 0), 9)[0]))
    assert head is not None
    assert (head.coding, head.stored_bytes) == (Coding.RAW, 256)


def test_a_length_beyond_what_zlib_can_expand_is_no_head() -> None:
    head = bytearray(encode_entry(Kind.MESSAGE, b"", bytes(100_000), (0, 0), 9)[0])
    assert parse_head(bytes(head)) is not None
    head[16:24] = (1 << 31).to_bytes(8, "big")
    assert parse_head(_sealed(head)) is None


@pytest.mark.parametrize("claimed", [99_999, 100_001])
def test_data_of_another_length_than_claimed_are_refused(claimed: int) -> None:
    parts = encode_entry(Kind.MESSAGE, b"", bytes(100_000), (0, 0), 9)
    head = bytearray(parts[0])
    head[16:24] = claimed.to_bytes(8, "big")
    parsed = parse_head(_sealed(head))
    assert parsed is not None
    with pytest.raises(ValueError, match=f"do not expand to {claimed} bytes"):
        decode_data(parsed, bytes(parts[2]))


def _sealed(head: bytearray) -> bytes:
    """With the checksum that its fields deserve."""
    return bytes(head[:4]) + zlib.crc32(head[8:]).to_bytes(4, "big") + bytes(head[8:])
