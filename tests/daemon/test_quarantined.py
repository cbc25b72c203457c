"""What is in quarantine can be told and sent again, or one line says why not."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.pipeline.entries import Arrival
from phenostream.daemon.quarantine import Part, Quarantine
from phenostream.daemon.quarantine_replay import parcels
from phenostream.daemon.quarantined import Entry, entries
from phenostream.daemon.wire.ingest import FrameHeader, ShotHeader, Start
from phenostream.engine.errors import BadFrame, BadInput

StartMaker = Callable[..., Start]
SIDE = 128


class Kept:
    """A quarantine folder of one run."""

    def __init__(self, folder: Path, start: Start) -> None:
        self.folder, self.start = folder, start
        self.quarantine = Quarantine(folder, 1 << 24)

    def keep(self, seq: int, reason: str, *parts: Part, utc_ns: int = 1) -> Entry:
        known = {entry.path for entry in entries(self.folder)}
        self.quarantine.keep(Arrival(self.start, seq, utc_ns, 0.0, 77), reason, parts)
        (entry,) = [entry for entry in entries(self.folder) if entry.path not in known]
        return entry

    def header(self, seq: int, **changes: Any) -> dict[str, Any]:
        header = FrameHeader(
            run=self.start.run,
            frame_seq=seq,
            shape=(4, SIDE, SIDE),
            dtype="u8",
            source_utc_ns=5,
            crc32=1,
        )
        return header.model_copy(update=changes).model_dump()

    def shot(self, seq: int, which: Any) -> Part:
        header = ShotHeader(
            run=self.start.run,
            frame_seq=seq,
            illumination=which,
            shape=(SIDE, SIDE),
            dtype="u8",
            source_utc_ns=5,
        )
        return Part(header.model_dump(), memoryview(which.encode()))


@pytest.fixture
def kept(tmp_path: Path, make_start: StartMaker) -> Kept:
    return Kept(tmp_path / "q", make_start())


def test_a_frame_comes_back_as_the_message_that_brought_it(kept: Kept) -> None:
    entry = kept.keep(3, "crc32: no", Part(kept.header(3), memoryview(b"pixels")), utc_ns=9)
    assert (entry.run, entry.frame_seq, entry.utc_ns) == (kept.start.run, 3, 9)
    start, ((header, data),) = entry.messages(entry.note())
    assert start == kept.start
    assert header == FrameHeader.model_validate(kept.header(3))
    assert bytes(data) == b"pixels"


def test_shots_come_back_each_with_its_own_bytes(kept: Kept) -> None:
    entry = kept.keep(0, "incomplete: 2 of 4", kept.shot(0, "top"), kept.shot(0, "left"))
    _, pieces = entry.messages(entry.note())
    assert [(h.illumination, bytes(d)) for h, d in pieces if isinstance(h, ShotHeader)] == [
        ("top", b"top"),
        ("left", b"left"),
    ]


def test_a_frame_that_the_engine_refused_gets_a_header_from_what_is_known_of_it(kept: Kept) -> None:
    shots = [Part({}, memoryview(bytes(SIDE * SIDE))) for _ in range(4)]
    entry = kept.keep(2, "frame: too strange", *shots)
    _, ((header, data),) = entry.messages(entry.note())
    assert (header.frame_seq, header.shape, header.source_utc_ns) == (2, (4, SIDE, SIDE), 77)
    assert len(data) == 4 * SIDE * SIDE


def spoil_start(entry: Entry) -> None:
    note = json.loads(entry.path.read_text())
    del note["start"]
    entry.path.write_text(json.dumps(note))


def spoil_header(entry: Entry) -> None:
    note = json.loads(entry.path.read_text())
    note["parts"][0]["header"] = {}
    entry.path.write_text(json.dumps(note))


def spoil_data(entry: Entry) -> None:
    entry.path.with_suffix(".frame").write_bytes(b"short")


SPOILS: list[tuple[Callable[[Entry], object], str]] = [
    (spoil_start, "kept by an earlier version, without its run's START"),
    (spoil_header, "came under a header that breaks the schema"),
    (spoil_data, "5 bytes, its note says 6"),
    (lambda entry: entry.path.write_text("{"), "not a whole note"),
    (lambda entry: entry.path.write_text("[" * 200_000), "not a whole note"),
    (lambda entry: entry.path.write_text("{}"), "reason"),
    (lambda entry: entry.path.write_bytes(bytes(2 << 20)), "above 1048576 bytes"),
    (lambda entry: entry.path.unlink(), "No such file"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILS)
def test_what_cannot_be_sent_again_says_why_in_one_line(
    kept: Kept, spoil: Callable[[Entry], object], said: str
) -> None:
    entry = kept.keep(0, "crc32: no", Part(kept.header(0), memoryview(b"pixels")))
    spoil(entry)
    with pytest.raises(BadFrame, match=said) as refused:
        entry.messages(entry.note())
    assert "\n" not in str(refused.value)
    said_lines: list[str] = []
    assert parcels(iter([entry]), None, said_lines.append) == []
    assert len(said_lines) == 1


def test_a_parcel_is_one_run_in_order_and_a_frame_that_was_kept_twice_goes_once(
    kept: Kept, make_start: StartMaker
) -> None:
    for utc_ns, seq in ((1, 7), (2, 3), (3, 7)):
        part = Part(kept.header(seq), memoryview(b"x"))
        kept.keep(seq, "crc32: no", part, utc_ns=utc_ns)
    other = Kept(kept.folder, make_start())
    other.keep(0, "shape: no", Part(other.header(0), memoryview(b"x")))
    found = parcels(entries(kept.folder), None, pytest.fail)
    by_run = {parcel.start.run: parcel for parcel in found}
    assert [(e.frame_seq, e.utc_ns) for e in by_run[kept.start.run].entries] == [(3, 2), (7, 3)]
    assert by_run[other.start.run].new_run not in {kept.start.run, other.start.run}
    (only,) = parcels(entries(kept.folder), "shape", pytest.fail)
    assert only.start == other.start


def test_one_file_names_its_frame_and_anything_else_is_refused(kept: Kept) -> None:
    entry = kept.keep(0, "crc32: no", Part(kept.header(0), memoryview(b"x")))
    kept.keep(1, "crc32: no", Part(kept.header(1), memoryview(b"x")))
    assert list(entries(entry.path)) == list(entries(entry.path.with_suffix(".frame"))) == [entry]
    (kept.folder / "readme.json").write_text("{}")
    assert len(list(entries(kept.folder))) == 2
    for place in (kept.folder / "readme.json", kept.folder / "none", entry.path.with_suffix(".x")):
        with pytest.raises(BadInput, match="neither a quarantine folder nor"):
            list(entries(place))


def test_a_full_folder_is_read_in_little_memory(tmp_path: Path) -> None:
    run = "00000000-0000-7000-8000-000000000000"
    for seq in range(20_000):
        (tmp_path / f"{seq:020d}-{run}-{seq}.json").touch()
    tracemalloc.start()
    try:
        assert sum(1 for _ in entries(tmp_path)) == 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
