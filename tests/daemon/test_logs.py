"""Log lines reach journald with their fields, or standard error as text or JSON; a hanging journald delays nobody."""

import io
import json
import logging
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon import logs
from phenostream.daemon.logs import JournalHandler, JsonLines, TextLines, about, encode_entry

RUN = "01a0b1c2-0000-7000-8000-000000000001"


class Journald:
    """What listens where journald would."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(10)

    def entry(self) -> dict[str, str]:
        return decoded(self.socket.recv(1 << 20))


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    there = Journald(tmp_path / "socket")
    yield there
    there.socket.close()


@contextmanager
def logger_to(handler: logging.Handler) -> Iterator[logging.Logger]:
    logger = logging.getLogger("phenostream.daemon.toy")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        handler.close()


def decoded(data: bytes) -> dict[str, str]:
    """A reader of journald's protocol, written from its description."""
    fields, at = {}, 0
    while at < len(data):
        end = data.index(b"\n", at)
        name, equals, value = data[at:end].partition(b"=")
        at = end + 1
        if not equals:
            size = int.from_bytes(data[at : at + 8], "little")
            value = data[at + 8 : at + 8 + size]
            at += 8 + size
            assert data[at : at + 1] == b"\n"
            at += 1
        fields[name.decode()] = value.decode()
    return fields


def test_a_line_has_its_subject_as_fields(journald: Journald) -> None:
    with logger_to(JournalHandler("phenostream", journald.path)) as logger:
        logger.warning("frame %d is lost", 42, extra=about(RUN, "scope", 42))
    entry = journald.entry()
    assert entry["MESSAGE"] == "frame 42 is lost"
    assert entry["PRIORITY"] == "4"
    assert entry["SYSLOG_IDENTIFIER"] == "phenostream"
    assert entry["LOGGER"] == "phenostream.daemon.toy"
    assert Path(entry["CODE_FILE"]).name == Path(__file__).name
    assert entry["CODE_FUNC"] == "test_a_line_has_its_subject_as_fields"
    assert {name: value for name, value in entry.items() if name.startswith("PHENOSTREAM_")} == {
        "PHENOSTREAM_RUN": RUN,
        "PHENOSTREAM_INSTRUMENT": "scope",
        "PHENOSTREAM_FRAME_SEQ": "42",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [("debug", "7"), ("info", "6"), ("warning", "4"), ("error", "3"), ("critical", "2")],
)
def test_levels_become_priorities(journald: Journald, level: str, priority: str) -> None:
    with logger_to(JournalHandler("phenostream", journald.path)) as logger:
        getattr(logger, level)("said")
    assert journald.entry()["PRIORITY"] == priority


def test_what_a_stranger_wrote_is_no_field_of_its_own(journald: Journald) -> None:
    with logger_to(JournalHandler("phenostream", journald.path)) as logger:
        logger.info("refused: %s", "a\nPRIORITY=0\n_UID=0")
    entry = journald.entry()
    assert entry["MESSAGE"] == "refused: a\nPRIORITY=0\n_UID=0"
    assert entry["PRIORITY"] == "6"
    assert "_UID" not in entry


def test_an_exception_is_told_with_its_lines(journald: Journald) -> None:
    with logger_to(JournalHandler("phenostream", journald.path)) as logger:
        try:
            raise ValueError("no such cell")
        except ValueError:
            logger.exception("frame 1 failed")
    first, *more = journald.entry()["MESSAGE"].splitlines()
    assert first == "frame 1 failed"
    assert more[0].startswith("Traceback")
    assert more[-1] == "ValueError: no such cell"


def test_a_message_of_any_length_fits_a_datagram(journald: Journald) -> None:
    with logger_to(JournalHandler("phenostream", journald.path)) as logger:
        logger.info("\u00b5" * 1_000_000)
    message = journald.entry()["MESSAGE"]
    assert len(message) == 32 << 10
    assert set(message) == {"\u00b5"}


def test_a_message_is_cut_between_characters() -> None:
    (value,) = decoded(encode_entry({"MESSAGE": "x" + "\u00b5" * (1 << 16)})).values()
    assert value.endswith("\u00b5")


def test_lines_that_a_hanging_journald_does_not_take_are_counted_and_delay_little(
    journald: Journald,
) -> None:
    handler = JournalHandler("phenostream", journald.path)
    with logger_to(handler) as logger:
        lost = 0
        while not lost:  # until its queue is full
            began_s = time.monotonic()
            logger.info("x" * 1000)
            lost = handler.lost
        assert time.monotonic() - began_s < 5
        logger.info("lost too")
        while select.select([journald.socket], [], [], 0)[0]:
            journald.entry()
        logger.info("heard")
    entry = journald.entry()
    assert entry["MESSAGE"] == "heard"
    assert entry["PHENOSTREAM_LOST_BEFORE"] == "2"


def test_it_finds_journald_again_after_a_restart(journald: Journald) -> None:
    with logger_to(JournalHandler("phenostream", journald.path)) as logger:
        journald.socket.close()
        os.unlink(journald.path)
        logger.info("nobody hears")
        again = Journald(Path(journald.path))
        logger.info("back")
        assert again.entry()["PHENOSTREAM_LOST_BEFORE"] == "1"
        again.socket.close()


def test_what_a_stranger_wrote_makes_no_line_of_text_and_moves_no_cursor() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextLines("%(levelname)s %(message)s"))
    with logger_to(handler) as logger:
        logger.warning("refused: %s: µm", "a\nCRITICAL the disk failed\x1b[2J\r")
        try:
            raise ValueError("planted")
        except ValueError:
            logger.exception("it broke")
    first, *rest = stream.getvalue().splitlines()
    assert first == r"WARNING refused: a\nCRITICAL the disk failed\x1b[2J\r: µm"
    assert (rest[0], rest[-1]) == ("ERROR it broke", "ValueError: planted")


def test_a_json_line_holds_its_subject() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    with logger_to(handler) as logger:
        logger.error("it %s\nbroke", "is", extra=about(RUN, frame_seq=7, offset=9))
    (line,) = stream.getvalue().splitlines()
    told: dict[str, Any] = json.loads(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "ERROR",
        "logger": "phenostream.daemon.toy",
        "thread": "MainThread",
        "message": "it is\nbroke",
        "run": RUN,
        "frame_seq": 7,
        "offset": 9,
    }


SAYS = (
    "import logging, sys; from phenostream.daemon import logs; "
    "logs._JOURNAL = sys.argv[1]; logs.set_up(sys.argv[2], logging.INFO, 'toy'); "
    "logging.getLogger('a').info('hello', extra=logs.about('r'))"
)


def said(where: Path, form: str, journal_stream: str | None) -> str:
    """What a process of its own writes to standard error; `journal_stream`: what systemd says that is."""
    environment = {**os.environ}
    with (where / "stderr").open("w+b") as stderr:
        stat = os.fstat(stderr.fileno())
        if journal_stream is not None:
            environment["JOURNAL_STREAM"] = journal_stream.format(stat.st_dev, stat.st_ino)
        command = [sys.executable, "-c", SAYS, str(where / "socket"), form]
        subprocess.run(command, stderr=stderr, env=environment, check=True, timeout=30)
        stderr.seek(0)
        return stderr.read().decode()


def test_standard_error_that_is_the_journals_is_left_alone(
    journald: Journald, tmp_path: Path
) -> None:
    assert said(tmp_path, "auto", "{}:{}") == ""
    entry = journald.entry()
    assert (entry["MESSAGE"], entry["SYSLOG_IDENTIFIER"]) == ("hello", "toy")
    assert entry["PHENOSTREAM_RUN"] == "r"


@pytest.mark.parametrize(
    ("form", "stream", "begins"),
    [
        ("auto", None, "20"),
        ("auto", "1:{}", "20"),  # inherited from a parent; ours is a file
        ("text", "{}:{}", "20"),
        ("json", "{}:{}", '{"time": '),
    ],
)
def test_elsewhere_lines_go_to_standard_error(
    journald: Journald, tmp_path: Path, form: str, stream: str | None, begins: str
) -> None:
    line = said(tmp_path, form, stream)
    assert line.startswith(begins)
    assert "hello" in line
    assert not select.select([journald.socket], [], [], 0)[0]


def test_without_journald_the_lines_are_still_written(tmp_path: Path) -> None:
    assert "hello" in said(tmp_path, "auto", "{}:{}")


def test_it_is_set_up_once() -> None:
    before = list(logging.getLogger().handlers)
    assert before  # pytest's own
    logs.set_up("json", logging.DEBUG)
    assert logging.getLogger().handlers == before
