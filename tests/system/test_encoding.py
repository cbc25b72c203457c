"""Compressed frames through a real daemon: the same results as raw ones, and hostile ones cost nobody anything."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.wire.encoding import pack_counts
from phenostream.daemon.wire.ingest import (
    Ack,
    Encoding,
    FrameHeader,
    Report,
    Shot,
    ShotHeader,
    Start,
)
from phenostream.daemon.wire.results import FrameRecord, decode_frame

pytestmark = pytest.mark.system
Image = np.ndarray[Any, Any]


def send(url: str, start: Start, frame: Image, encoding: Encoding) -> Report:
    with Sender(url, "scope", SenderSettings(encoding=encoding, crc=True)) as sender:
        sender.start(start)
        for seq in range(4):
            sender.send(seq, frame)
        return sender.finish()


def results(journal: Path, run: str) -> list[FrameRecord]:
    found: list[FrameRecord] = []

    def look(record: Record) -> None:
        if record.topic == "result":
            frame = decode_frame(record.payload)
            if frame.meta["run"] == run:
                found.append(frame)

    Journal(journal, on_record=look).close()
    return sorted(found, key=lambda frame: int(frame.meta["frame_seq"]))


def test_a_compressed_run_gives_what_the_raw_one_gives(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon()
    url = daemon.start()["ingest"]
    raw, packed = small_start(), small_start()
    send(url, raw, small_frame, "raw")
    assert send(url, packed, small_frame, "blosc2").ledger["published"] == 4
    daemon.kill()
    journal = daemon.folder / "journal"
    pairs = list(zip(results(journal, raw.run), results(journal, packed.run), strict=True))
    assert len(pairs) == 4
    for one, other in pairs:
        assert one.meta["counts"] == other.meta["counts"]
        assert one.columns.keys() == other.columns.keys()
        for name, column in one.columns.items():
            assert np.array_equal(column.values, other.columns[name].values, equal_nan=True)


def test_single_shots_may_each_be_packed_or_not(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon()
    url = daemon.start()["ingest"]
    whole, mixed = small_start(), small_start()
    send(url, whole, small_frame, "raw")
    with Sender(url, "scope", SenderSettings(encoding="blosc2")) as sender:
        sender.start(mixed)
        for seq in range(4):
            for number, shot in enumerate(mixed.shots):
                if number % 2:
                    sender.send_shot(seq, shot, small_frame[number])
                else:
                    sender.send_frame(raw_shot(mixed, seq, shot), small_frame[number].tobytes())
        assert sender.finish().ledger["published"] == 4
    daemon.kill()
    journal = daemon.folder / "journal"
    for one, other in zip(results(journal, whole.run), results(journal, mixed.run), strict=True):
        assert one.meta["counts"] == other.meta["counts"]
        for name, column in one.columns.items():
            assert np.array_equal(column.values, other.columns[name].values, equal_nan=True)


def raw_shot(start: Start, frame_seq: int, illumination: Shot) -> ShotHeader:
    return ShotHeader(
        run=start.run,
        frame_seq=frame_seq,
        illumination=illumination,
        shape=(start.height, start.width),
        dtype=start.dtype,
        source_utc_ns=1,
    )


def test_bombs_and_damage_are_quarantined_as_they_came_and_an_honest_frame_is_served(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon()
    url = daemon.start()["ingest"]
    send(url, small_start(), small_frame, "blosc2")
    before = resident_mib(daemon.pid)
    good = pack_counts(small_frame.data.cast("B"), 1)
    bomb = good[:4] + (2**31 - 1).to_bytes(4, "little") + good[8:]
    damaged = good[:32] + b"\xff" * 64 + good[96:]
    chunks = [*[bomb] * 50, *[damaged] * 50, *[good[: len(good) // 2]] * 50, good]
    start, acks = small_start(), list[Ack]()
    with Sender(url, "scope", SenderSettings(encoding="blosc2")) as sender:
        sender.on_ack = acks.append
        sender.start(start)
        for seq, chunk in enumerate(chunks):
            sender.send_frame(header(start, seq), chunk)
        ledger = sender.finish().ledger
    assert (ledger["published"], ledger["quarantined.encoding"]) == (1, 150)
    assert all((ack.reason or "encoding: ").startswith("encoding: ") for ack in acks)
    assert resident_mib(daemon.pid) - before < 30
    kept = {path.read_bytes() for path in (daemon.folder / "quarantine").glob("*.frame")}
    assert kept == {bomb, damaged, good[: len(good) // 2]}


def header(start: Start, frame_seq: int) -> FrameHeader:
    return FrameHeader(
        run=start.run,
        frame_seq=frame_seq,
        shape=(4, start.height, start.width),
        dtype=start.dtype,
        encoding="blosc2",
        source_utc_ns=1,
    )


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
