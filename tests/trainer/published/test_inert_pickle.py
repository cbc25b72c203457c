"""A pickle is read as data: plain values come back, calls stay records, and nothing else is let in."""

import io
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.published.inert_pickle import (
    MOST_INSTRUCTIONS,
    Call,
    Malformed,
    Name,
    Persistent,
    read_pickle,
)

ALLOWED = {"collections.OrderedDict", "collections.defaultdict", "builtins.list", "_codecs.encode"}
PLAIN: list[Any] = [
    None,
    True,
    -1,
    2**40,
    -(2**70),
    1.5,
    "text",
    "ä" * 300,
    (),
    (1,),
    (1, 2, 3, 4),
    [1, [2, [3]]],
    {"a": 1, 2: "b", (1, "x"): None},
    {"nested": [{"deep": (1.0, "y")}] * 2},
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_from_every_protocol(value: Any, protocol: int) -> None:
    file = io.BytesIO(pickle.dumps(value, protocol) + b"rest")
    assert read_pickle(file, ALLOWED) == value
    assert file.read() == b"rest"


@pytest.mark.parametrize("protocol", [4, 5])
def test_bytes_come_back_and_sets_are_lists(protocol: int) -> None:
    value = [b"\x00\xff", {1, 2}, frozenset({3})]
    found = read_pickle(io.BytesIO(pickle.dumps(value, protocol)), ())
    assert found[0] == b"\x00\xff"
    assert [sorted(found[1]), list(found[2])] == [[1, 2], [3]]


@pytest.mark.parametrize("protocol", range(6))
def test_ordered_dicts_are_dicts_and_their_attributes_are_dropped(protocol: int) -> None:
    value: OrderedDict[str, int] = OrderedDict(a=1, b=2)
    value._metadata = {"version": 1}  # type: ignore[attr-defined]  # as torch does
    assert read_pickle(io.BytesIO(pickle.dumps(value, protocol)), ALLOWED) == {"a": 1, "b": 2}


def test_default_dicts_are_dicts() -> None:
    value = defaultdict(list, {"a": [1]})
    found = read_pickle(io.BytesIO(pickle.dumps(value, 2)), ALLOWED | {"__builtin__.list"})
    assert found == {"a": [1]}


def test_a_call_stays_a_record_of_itself() -> None:
    found = read_pickle(
        io.BytesIO(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aK\x05\x86R."), ALLOWED
    )
    assert isinstance(found, Call)
    assert (found.name, found.arguments) == ("_codecs.encode", ("a", 5))


def test_a_persistent_reference_stays_one() -> None:
    found = read_pickle(io.BytesIO(b"\x80\x02K\x07Q."), ALLOWED)
    assert isinstance(found, Persistent)
    assert found.key == 7


def test_a_name_stays_a_name() -> None:
    assert read_pickle(io.BytesIO(b"cbuiltins\nlist\n."), ALLOWED) == Name("builtins.list")


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_what_would_run_is_named_and_not_run(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps({"a": [Evil(tmp_path / "canary")]}, protocol)
    with pytest.raises(
        BadInput, match=r"^mentions (builtins|__builtin__|pathlib)\.\w+.*nothing was run$"
    ):
        read_pickle(io.BytesIO(content), ALLOWED)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"cos\nsystem\n(S'touch x'\ntR.", "mentions os.system;"),
        (b"(S'touch x'\nios\nsystem\n.", "mentions os.system;"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "mentions posix.system;"),
        (b"cbuiltins\nlist.append\n.", "mentions builtins.list.append;"),
        (b"ccollections\nOrderedDict.__init__\n.", "mentions collections.OrderedDict.__init__;"),
        (b"c\x1b[2Jx\ny\n.", r"mentions '\x1b[2Jx.y';"),
    ],
)  # fmt: skip
def test_every_way_to_a_name_meets_the_list(content: bytes, says: str) -> None:
    with pytest.raises(BadInput) as raised:
        read_pickle(io.BytesIO(content), ALLOWED)
    assert str(raised.value).startswith(says)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"garbage",
        b"\x80\x02]K\x01",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"K\x01K\x02a.",
        b"]K\x01b.",
        b"}]K\x01s.",
        b"}(K\x01u.",
        b"K\x01t.",
        b"h\x05.",
        b"K\x01K\x02R.",
        b"\x82\x01.",
        b"P1\n.",
        b"K\x012.",
        b"(cbuiltins\nlist\no.",
        b"(K\x01ibuiltins\nlist\n.",
        b"\x80\x04]]\x93.",
        b"I" + b"9" * 5000 + b"\n.",
        b"}" + b"\x8a\x10" + b"\x7f" * 16 + b"K\x01s.",
        b"}X\x00\x08\x00\x00" + b"k" * 2048 + b"K\x01s.",
        b"cbuiltins\nlist\n)R}\x92.",
    ],
)
def test_what_no_dump_of_plain_data_writes_is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        read_pickle(io.BytesIO(content), ALLOWED)


def test_deep_nesting_neither_recurses_nor_hashes() -> None:
    deep = b"\x80\x02)" + b"\x85" * 200_000
    found = read_pickle(io.BytesIO(deep + b"."), ALLOWED)
    assert isinstance(found, tuple)
    with pytest.raises(Malformed, match="a key that is neither"):
        read_pickle(io.BytesIO(b"}" + deep + b"K\x01s."), ALLOWED)


def test_a_key_whose_hash_would_take_for_ever_is_refused() -> None:
    doubling = b"".join(b"0h%ch%c\x86q%c" % (i, i, i + 1) for i in range(200))
    with pytest.raises(Malformed, match="a key that is neither"):
        read_pickle(io.BytesIO(b"})q\x00" + doubling + b"K\x01s."), ALLOWED)


def test_a_dict_is_never_copied() -> None:
    wrapped = b"}(" + b"".join(b"K%cK\x01" % i for i in range(100)) + b"uq\x00"
    copies = b"ccollections\nOrderedDict\nh\x00\x85R" * 50
    found = read_pickle(io.BytesIO(wrapped + b"(" + copies + b"l."), ALLOWED)
    assert len({id(one) for one in found}) == 1


def test_a_pickle_of_endless_instructions_is_refused() -> None:
    with pytest.raises(Malformed, match=f"more than {MOST_INSTRUCTIONS} instructions"):
        read_pickle(io.BytesIO(b"0".join([b"K\x01"] * (MOST_INSTRUCTIONS // 2 + 2))), ALLOWED)
