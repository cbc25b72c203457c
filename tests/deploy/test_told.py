"""Records to be read again: a folder in one go, a daemon's from the newest backwards, each once, and what is gone."""

from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phenostream.daemon.client.control import Batch, Control, Stored
from phenostream.daemon.exports.jsonl import json_line
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.results import Topic
from phenostream.deploy.told import DaemonRecords, told
from phenostream.engine.errors import BadInput

_A_REPLY = 7


class Daemon:
    """The control endpoint of a daemon whose journal holds these offsets; summaries are the even ones."""

    def __init__(self, oldest: int, held: list[int]) -> None:
        self.held, self.asked = held, 0
        self.oldest, self.newest = oldest, max(held, default=None)

    def get(self, since: int) -> Batch:
        self.asked += 1
        found = [offset for offset in self.held if offset >= since][:_A_REPLY]
        if self.newest is None or since > self.newest:
            return Batch((), since, self.newest, self.oldest)
        more = len(found) == _A_REPLY
        behind = found[-1] + 1 if more else self.newest + 1
        stored = (Stored("result" if n % 2 else "summary", n, pack({"n": n})) for n in found)
        return Batch(tuple(stored), behind, self.newest, self.oldest)


def records_of(daemon: Daemon) -> tuple[list[list[int]], list[str]]:
    kept = DaemonRecords(cast(Control, daemon), lambda _count: None)
    stretches = [[record.offset for record in one] for one in kept.stretches("summary")]
    return stretches, kept.lacks()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(oldest=st.integers(0, 900), length=st.integers(0, 1500), gone=st.sets(st.integers(0, 2400)))
def test_a_daemons_records_come_newest_stretch_first_each_once(
    oldest: int, length: int, gone: set[int]
) -> None:
    held = [n for n in range(oldest, oldest + length) if n not in gone]
    stretches, _ = records_of(Daemon(oldest, held))
    assert [n for stretch in reversed(stretches) for n in stretch] == [
        n for n in held if n % 2 == 0
    ]
    assert all(stretch == sorted(stretch) for stretch in stretches)


def test_what_the_newest_stretch_holds_costs_no_reading_of_the_others() -> None:
    daemon = Daemon(0, list(range(100_000)))
    kept = DaemonRecords(cast(Control, daemon), lambda _count: None)
    newest = list(next(kept.stretches("summary")))
    assert newest[-1].offset == 99_998
    assert daemon.asked <= 1 + 512 // _A_REPLY + 1


def test_what_a_daemon_holds_no_more_is_told() -> None:
    held = [*range(10, 20), *range(23, 40)]
    _, lacks = records_of(Daemon(10, held))
    assert lacks == [
        "retention removed: offsets 0 to 9",
        "3 offsets are not there any more, the first of them 20",
    ]


def test_an_empty_journal_holds_nothing() -> None:
    assert records_of(Daemon(0, [])) == ([], [])


@pytest.fixture(params=["journal", "lines"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two summaries and a status, in both kinds of source."""
    bodies: list[tuple[Topic, dict[str, Any]]] = [
        ("summary", {"n": 0}),
        ("status", {"n": 1}),
        ("summary", {"n": 2}),
    ]
    if request.param == "lines":
        path = tmp_path / "got.jsonl"
        lines = [json_line(topic, n, body) for n, (topic, body) in enumerate(bodies)]
        path.write_text("\n".join(lines) + "\n")
        return path
    journal = Journal(tmp_path / "journal")
    journal.append([(topic, pack(body)) for topic, body in bodies])
    journal.sync()
    journal.close()
    return tmp_path / "journal"


def test_a_folder_and_a_file_are_read_in_one_go_and_to_the_last_byte(kept: Path) -> None:
    read: list[int] = []
    with told(str(kept), None, read.append) as source:
        (stretch,) = source.stretches("summary", "status")
        assert [(record.topic, record.offset, record.facts["n"]) for record in stretch] == [
            ("summary", 0, 0),
            ("status", 1, 1),
            ("summary", 2, 2),
        ]
        assert source.lacks() == []
    whole = kept if kept.is_file() else next(kept.glob("*.journal"))
    assert sum(read) == whole.stat().st_size


def test_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    with (
        told(str(tmp_path / "none"), None, lambda _count: None) as source,
        pytest.raises(BadInput, match="none: no such file or directory"),
    ):
        list(source.stretches("summary"))
