"""A daemon that goes on from a checkpoint and what follows knows just what one knows that read the whole journal."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phenostream.daemon import register as register_module
from phenostream.daemon.checkpointing import Checkpointing
from phenostream.daemon.health import Health
from phenostream.daemon.journal.checkpoint import mark_removed
from phenostream.daemon.journal.keeper import Keeper
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.retention import Limits
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.model import ServedModel
from phenostream.daemon.narration import MOST_KEPT, Narration, Remembered
from phenostream.daemon.pipeline.entries import RunEnded, RunStarted
from phenostream.daemon.pipeline.records import run_ended, run_started
from phenostream.daemon.recovery import Recovered, recover
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.sources import runs as runs_module
from phenostream.daemon.summaries import SummaryBook
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.summary.window import Tally

StartMaker = Callable[..., Start]
ModelMaker = Callable[..., ServedModel]
SEGMENT = 4096
REASONS = {
    "published": None,
    "dropped": "late: x",
    "quarantined": "shape: (1,)",
    "failed": "engine",
}


class Life:
    """A process's books, fed as the commit thread feeds them."""

    def __init__(self, directory: Path, model: ServedModel, limits: Limits | None = None) -> None:
        found = recover(directory, SEGMENT, 8)
        self.found, self.ledger, self.register = found, found.ledger, found.register
        self.journal = found.journal
        self.summaries = SummaryBook(model.manifest, 10.0, 8)
        self.keeper = Keeper(directory, self.journal, limits or Limits(), Health())
        self.narration = Narration(SummaryConfig(), lambda entry: True, self.journal.read)
        self.narration.restore(found.narrated, found.summaries)
        self.checkpointing = Checkpointing(
            self.journal,
            self.ledger,
            self.register,
            self.summaries,
            self.keeper,
            narration=self.narration,
        )

    def commit(self, topic: Any, payload: bytes) -> int:
        (record,) = self.journal.append([(topic, payload)])
        self.journal.sync()
        self.narration.written([record])
        return record.offset

    def summarise(self, run: str, of_offset: int | None) -> int:
        told = {"v": 1, "type": "summary", "run": run, "of_offset": of_offset}
        return self.commit("summary", pack(told))

    def start(self, start: Start) -> None:
        offset = self.commit("status", run_started(RunStarted(start), model_synthetic=True))
        self.register.started(start.model_dump(mode="json"), offset, None)
        self.ledger.open(start.run, start.n_expected)

    def settle(self, run: str, seq: int, fate: Any) -> None:
        cells = {"found": seq % 3, "classified": seq % 2}
        self.commit("result", _result(run, seq, fate, cells))
        self.ledger.receive(run, seq)
        self.ledger.settle(run, seq, fate, REASONS[fate], cells)

    def end(self, start: Start) -> None:
        account = self.ledger.run(start.run)
        self.ledger.end(start.run, account["received"] + account["gaps"])
        account = self.ledger.run(start.run)
        payload = run_ended(RunEnded(start), account, model_synthetic=True)
        self.register.ended(start.run, self.commit("status", payload), account)

    def checkpoint(self) -> None:
        self.keeper._next = None
        self.checkpointing._keeper.offer(self.checkpointing._taken())
        assert self.keeper._next is not None
        assert self.keeper._tried(self.keeper._next, lambda: None)


def _result(run: str, seq: int, fate: str, cells: dict[str, int]) -> bytes:
    meta = {"run": run, "frame_seq": seq, "fate": fate, "reason": REASONS[fate], "counts": cells}
    return pack({"v": 1, "type": "result", **meta, "columns": {}})


def known(found: Recovered) -> dict[str, Any]:
    """Everything that a daemon would answer from."""
    found.journal.close()
    runs = found.ledger.runs()
    return {
        "total": found.ledger.total(),
        "runs": {run: found.ledger.run(run) for run in runs},
        "standing": {run: [found.ledger.standing(run, n) for n in range(8)] for run in runs},
        "acked": {run: found.ledger.last_acked(run) for run in runs},
        "register": {**found.register.state(), "runs": sorted(found.register.state()["runs"])},
        "book": {
            run: (one.start, one.first_offset, one.source, one.report)
            for run, one in found.runs._runs.items()
        },
        "forgotten": list(found.runs._forgotten),
        "next": found.journal.next_offset,
    }


Step = tuple[str, int, int, str]
steps = st.lists(
    st.tuples(
        st.sampled_from(["start", "settle", "settle", "settle", "end", "checkpoint"]),
        st.integers(0, 5),
        st.integers(0, 7),
        st.sampled_from(sorted(REASONS)),
    ),
    max_size=40,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(script=steps)
def test_checkpoint_and_tail_are_the_same_as_the_whole_journal(
    script: list[Step],
    tmp_path_factory: pytest.TempPathFactory,
    make_start: StartMaker,
    make_model: ModelMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(register_module, "MOST_ENDED", 2)
    monkeypatch.setattr(runs_module, "MOST_ENDED", 2)
    directory = tmp_path_factory.mktemp("j")
    life = Life(directory, make_model())
    starts: dict[int, Start] = {}
    for what, which, seq, fate in script:
        start = starts.get(which)
        if what == "checkpoint":
            life.checkpoint()
        elif what == "start":
            if start is None:
                life.start(
                    starts.setdefault(which, make_start(n_expected=9 if which % 2 else None))
                )
        elif start is not None and not life.ledger.ended(start.run):
            if what == "end":
                life.end(start)
            elif life.ledger.standing(start.run, seq).kind == "new":
                life.settle(start.run, seq, fate)
    life.journal.close()
    whole = tmp_path_factory.mktemp("w") / "j"
    shutil.copytree(directory, whole, ignore=shutil.ignore_patterns("*.checkpoint"))
    from_checkpoint, from_all = recover(directory, SEGMENT, 8), recover(whole, SEGMENT, 8)
    assert (from_checkpoint.checkpoint is None) == (not list(directory.glob("*.checkpoint")))
    assert from_all.checkpoint is None
    assert known(from_checkpoint) == known(from_all)


def test_a_frame_is_known_after_retention_has_removed_its_record(
    tmp_path: Path, make_start: StartMaker, make_model: ModelMaker
) -> None:
    life = Life(tmp_path, make_model(), Limits(max_bytes=SEGMENT))
    start, other = make_start(), make_start(run=new_run_id())
    life.start(start)
    life.settle(start.run, 0, "published")
    life.settle(start.run, 1, "quarantined")
    life.start(other)
    for seq in range(300):
        life.settle(other.run, seq, "published")
        if seq % 20 == 0:
            life.checkpoint()
    assert life.journal.oldest > 5
    life.journal.close()
    again = recover(tmp_path, SEGMENT, 8)
    assert (again.journal.losses, again.unknown) == ((), None)
    assert again.ledger.standing(start.run, 0).kind == "settled"
    assert again.ledger.standing(start.run, 1).fate == "quarantined"
    assert again.ledger.last_acked(start.run) == 1
    assert again.ledger.total()["received"] == 302
    run = again.runs.get(start.run)
    assert run is not None
    assert run.start == start
    again.journal.close()
    for path in tmp_path.glob("*.checkpoint"):
        path.unlink()
    blind = recover(tmp_path, SEGMENT, 8)
    assert "sent again are recorded again" in (blind.unknown or "")
    blind.journal.close()


@pytest.mark.parametrize("rotten", [0, 1])
def test_either_checkpoint_may_be_lost_and_no_frame_is_forgotten(
    tmp_path: Path, make_start: StartMaker, make_model: ModelMaker, rotten: int
) -> None:
    life = Life(tmp_path, make_model(), Limits(max_bytes=SEGMENT))
    start = make_start()
    life.start(start)
    for seq in range(300):
        life.settle(start.run, seq, "published")
        if seq % 50 == 0:
            life.checkpoint()
    life.checkpoint()
    assert life.journal.oldest > 200
    life.journal.close()
    sorted(tmp_path.glob("*.checkpoint"))[rotten].write_bytes(b"rot")
    again = recover(tmp_path, SEGMENT, 8)
    assert (again.journal.losses, again.unknown) == ((), None)
    assert again.ledger.last_acked(start.run) == 299
    again.journal.close()


def test_records_that_went_behind_the_checkpoint_are_told(
    tmp_path: Path, make_start: StartMaker, make_model: ModelMaker
) -> None:
    life = Life(tmp_path, make_model())
    start = make_start()
    life.start(start)
    life.checkpoint()
    for seq in range(100):
        life.settle(start.run, seq, "published")
    for segment in life.journal.sealed():
        segment.path.unlink()
    mark_removed(tmp_path, life.journal.newest_segment)
    life.journal.close()
    again = recover(tmp_path, SEGMENT, 8)
    assert again.checkpoint == 1
    assert f"the records 1 to {again.journal.oldest - 1}" in (again.unknown or "")
    again.journal.close()


def test_a_run_that_ended_long_ago_is_refused_and_still_counted(
    tmp_path: Path, make_start: StartMaker, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register_module, "MOST_ENDED", 2)
    monkeypatch.setattr(runs_module, "MOST_ENDED", 2)
    life = Life(tmp_path, make_model())
    starts = [make_start(run=new_run_id()) for _ in range(4)]
    for start in starts:
        life.start(start)
        life.settle(start.run, 0, "published")
        life.end(start)
    life.checkpoint()
    life.journal.close()
    again = recover(tmp_path, SEGMENT, 8)
    assert again.checkpoint is not None
    assert again.ledger.total()["published"] == 4
    assert [again.runs.open(start, b"p", 0.0) for start in starts] == [
        "forgotten",
        "forgotten",
        "known",
        "known",
    ]
    again.journal.close()


@pytest.mark.parametrize("state", [{}, {"register": {}}, {"register": 1}, None])
def test_a_checkpoint_that_makes_no_sense_is_not_used(
    tmp_path: Path, make_start: StartMaker, make_model: ModelMaker, state: Any
) -> None:
    life = Life(tmp_path, make_model())
    life.start(make_start())
    taken = life.checkpointing._taken()
    object.__setattr__(taken, "state", lambda: state or {"register": 1, "ledger": None})
    assert life.keeper._tried(taken, lambda: None)
    life.journal.close()
    again = recover(tmp_path, SEGMENT, 8)
    assert again.checkpoint is None
    assert len(again.ledger.runs()) == 1
    again.journal.close()


def test_a_checkpoint_is_due_with_a_new_segment_and_every_so_many_records(
    tmp_path: Path, make_start: StartMaker, make_model: ModelMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phenostream.daemon.checkpointing.EVERY_RECORDS", 10)
    life = Life(tmp_path, make_model())
    offered: list[Any] = []
    monkeypatch.setattr(life.keeper, "offer", offered.append)
    start = make_start()
    life.start(start)
    for seq in range(40):
        life.checkpointing.committed()
        life.settle(start.run, seq, "published")
    ends = [one.checkpoint.end for one in offered]
    rolled = [s.first for s in life.journal.sealed()[1:]] + [life.journal.newest_segment]
    assert all(later - sooner <= 10 for sooner, later in pairwise(ends))
    assert all(any(first < end <= first + 1 for end in ends) for first in rolled)
    life.journal.close()


def test_the_summary_of_a_run_goes_on_from_the_checkpoint(
    make_model: ModelMaker, make_start: StartMaker
) -> None:
    manifest = make_model().manifest
    tally = Tally(len(manifest.classes), len(manifest.markers))
    tally.frames, tally.unusual = 5, 2
    tally.z[1, 2, 3] = 7
    tally.confidence[0] = 0.25
    book = SummaryBook(manifest, 10.0, 8)
    start = make_start()
    book.restore(start.run, 40, tally.as_bytes())
    ((run, since, counted, _, _),) = book.state(99)
    assert (run, since) == (start.run, 40)
    assert counted == tally.as_bytes()
    book.begin(start.run, 3, resumed=True)
    assert book.missing_since(start.run) == 40
    book.resume(start, [], 0.0)
    assert book.missing_since(start.run) is None
    ((_, since, merged, _, _),) = book.state(99)
    assert since == 99
    assert isinstance(merged, Tally)
    assert (merged.frames, merged.unusual) == (5, 2)
    assert np.array_equal(merged.z, tally.z)
    assert merged.confidence[0] == 0.25


def test_which_summaries_were_worded_is_known_from_the_checkpoint_and_what_follows(
    tmp_path: Path, make_start: StartMaker, make_model: ModelMaker
) -> None:
    life, run = Life(tmp_path, make_model()), make_start().run
    told = [life.summarise(run, None) for _ in range(MOST_KEPT + 2)]
    assert life.summarise(run, told[5]) == told[-1] + 1
    life.checkpoint()
    told.append(life.summarise(run, None))
    life.summarise(run, told[9])
    expected = Remembered(tuple(told[3:]), (told[5], told[9]))
    assert life.narration.remembered() == expected
    life.journal.close()
    again = Life(tmp_path, make_model())
    assert again.found.checkpoint is not None
    assert len(again.found.summaries) == 2
    assert again.narration.remembered() == expected
    again.journal.close()


def test_a_checkpoint_of_before_tells_nothing_of_words(
    tmp_path: Path, make_start: StartMaker, make_model: ModelMaker
) -> None:
    life, run = Life(tmp_path, make_model()), make_start().run
    life.summarise(run, None)
    taken = life.checkpointing._taken()
    state = {key: value for key, value in taken.state().items() if key != "narration"}
    object.__setattr__(taken, "state", lambda: state)
    assert life.keeper._tried(taken, lambda: None)
    life.journal.close()
    again = recover(tmp_path, SEGMENT, 8)
    assert (again.checkpoint, again.narrated) == (1, Remembered())
    again.journal.close()


def test_a_tally_of_another_shape_is_read_from_the_journal_again(make_model: ModelMaker) -> None:
    book = SummaryBook(make_model().manifest, 10.0, 8)
    for data in (Tally(1, 1).as_bytes(), b"", b"nonsense"):
        book.restore("run", 40, data)
        assert book.missing_since("run") is None


def test_the_ledger_keeps_no_runs_that_no_record_tells_of(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.open("a", None)
    assert ledger.state() == []
    assert Journal(tmp_path).facts()[0] == 0
