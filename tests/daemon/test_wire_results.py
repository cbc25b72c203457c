"""Results on the wire: typed columns out as in, and `BadMessage` for whatever is not."""

from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.results import (
    FrameRecord,
    WireColumn,
    decode_frame,
    decode_offset,
    encode_frame,
    encode_offset,
)
from phenostream.engine.errors import BadMessage

DTYPES = ("u1", "<u2", "<u4", "<u8", "<i4", "<i8", "<f2", "<f4", "<f8", "?")


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(
            np.dtype(dtype), hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)
        )
    )
)
def test_columns_come_back_bit_for_bit(values: npt.NDArray[Any]) -> None:
    got = decode_frame(encode_frame(FrameRecord({"run": "r"}, {"c": WireColumn(values, "um")})))
    column = got.columns["c"]
    assert column.unit == "um"
    assert column.values.dtype == values.dtype
    assert column.values.shape == values.shape
    assert column.values.tobytes() == values.tobytes()
    assert got.meta["run"] == "r"


def test_big_endian_and_strided_arrays_arrive_as_the_same_numbers() -> None:
    values = np.arange(12, dtype=">f4").reshape(6, 2)[::2]
    got = decode_frame(encode_frame(FrameRecord({}, {"c": WireColumn(values, "1")})))
    assert got.columns["c"].values.dtype == np.dtype("<f4")
    assert got.columns["c"].values.tolist() == values.tolist()


def test_keys_a_reader_does_not_know_are_kept() -> None:
    payload = pack({"v": 1, "later": {"a": [1]}, "columns": {}})
    assert decode_frame(payload).meta["later"] == {"a": [1]}


GOOD: dict[str, Any] = {"dtype": "<f4", "unit": "um", "shape": [2], "data": bytes(8)}
BROKEN: dict[str, Any] = {
    "not a map": 3,
    "text": "x",
    "nothing": {},
    "object": GOOD | {"dtype": "|O8"},
    "structured": GOOD | {"dtype": [["a", "<f4"]]},
    "text dtype": GOOD | {"dtype": "<U2"},
    "dtype map": GOOD | {"dtype": {"a": 1}},
    "too short": GOOD | {"data": bytes(7)},
    "too long": GOOD | {"data": bytes(9)},
    "data as text": GOOD | {"data": "12345678"},
    "negative": GOOD | {"shape": [-2]},
    "two negatives": GOOD | {"shape": [-1, -2]},
    "shape as text": GOOD | {"shape": "2"},
    "no number": GOOD | {"shape": [float("nan")]},
    "endless": GOOD | {"shape": [float("inf")]},
    "half": GOOD | {"shape": [2.5]},
    "hundred dimensions": GOOD | {"shape": [1] * 98 + [2]},
    "beyond memory": GOOD | {"shape": [2**62, 0], "data": b""},
    "overflow": GOOD | {"shape": [2**63, 2**63, 0], "data": b""},
}


@pytest.mark.parametrize("column", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_column_is_named(column: Any) -> None:
    with pytest.raises(BadMessage, match=r"^column 'c': [^\n]{1,200}$"):
        decode_frame(pack({"v": 1, "columns": {"c": column}}))


@pytest.mark.parametrize(
    "payload", [{"v": 2}, {}, {"v": 1, "columns": 3}, {"v": 1, "columns": [1]}]
)
def test_another_version_or_no_columns_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(BadMessage):
        decode_frame(pack(payload))


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(["dtype", "unit", "shape", "data"]),
        st.sampled_from([*DTYPES, "<f4", "|b1"])
        | st.lists(st.integers(-(2**63), 2**64 - 1) | st.floats(), max_size=3)
        | st.binary(max_size=9)
        | st.none()
        | st.integers(0, 9),
    )
)
def test_any_mutated_column_is_an_array_or_a_bad_message(changes: dict[str, Any]) -> None:
    with suppress(BadMessage):
        got = decode_frame(pack({"v": 1, "columns": {"c": GOOD | changes}}))
        assert got.columns["c"].values.nbytes == len((GOOD | changes)["data"])


@given(st.binary(max_size=120))
def test_any_bytes_are_a_record_or_a_bad_message(data: bytes) -> None:
    with suppress(BadMessage):
        decode_frame(data)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_offsets_keep_their_value_and_their_order_as_bytes(a: int, b: int) -> None:
    assert decode_offset(encode_offset(a)) == a
    assert (encode_offset(a) < encode_offset(b)) == (a < b)


@pytest.mark.parametrize("data", [b"", bytes(7), bytes(9)])
def test_an_offset_is_eight_bytes(data: bytes) -> None:
    with pytest.raises(BadMessage, match="expected 8"):
        decode_offset(data)
