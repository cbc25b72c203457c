"""What an ended run added up to is known after a restart, from the journal's records or from a checkpoint."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from phenostream.daemon.checkpointing import Checkpointing
from phenostream.daemon.drift_history import DriftHistory, EndedRun
from phenostream.daemon.health import Health
from phenostream.daemon.journal.keeper import Keeper
from phenostream.daemon.journal.retention import Limits
from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.drift_records import run_drift
from phenostream.daemon.recovery import recover
from phenostream.daemon.summaries import SummaryBook
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.drift.quantities import Quantity
from phenostream.engine.drift.sums import Sums
from phenostream.engine.drift.watch import Watch, WatchSettings
from phenostream.engine.errors import BadRecording

SEGMENT = 1 << 20


def ended(run: str) -> EndedRun:
    sums = Sums(2)
    for cells in (3.0, 4.0):
        sums.add(np.array([1.0, cells]), np.array([cells, cells]))
    return EndedRun(run, "a" * 64, sums)


def record(start: Start) -> bytes:
    watch = Watch((Quantity("rejected"), Quantity("unusual")), [], WatchSettings())
    return run_drift(start, True, watch, ended(start.run), [])


def test_the_newest_run_of_an_instrument_is_read_from_the_journal(
    tmp_path: Path, make_start: Callable[..., Start]
) -> None:
    first, second, other = make_start(), make_start(), make_start(instrument="other")
    found = recover(tmp_path, SEGMENT, 4)
    found.journal.append([("status", record(start)) for start in (first, other, second)])
    found.journal.sync()
    found.journal.close()
    again = recover(tmp_path, SEGMENT, 4)
    again.journal.close()
    known = again.drift.newest(first.instrument)
    assert known is not None
    assert (known.run, known.sums.frames) == (second.run, 2)
    assert (known.sums.table == ended("r").sums.table).all()
    assert again.drift.newest("nobody") is None


def test_it_is_in_the_checkpoint_when_the_record_is_no_longer_read(
    tmp_path: Path, make_start: Callable[..., Start], make_model: Callable[..., ServedModel]
) -> None:
    found = recover(tmp_path, SEGMENT, 4)
    history = DriftHistory()
    history.ended("scope", ended("first"))
    keeper = Keeper(tmp_path, found.journal, Limits(), Health())
    book = SummaryBook(make_model().manifest, 10.0, 4)
    Checkpointing(found.journal, found.ledger, found.register, book, keeper, history).finish()
    keeper.run(lambda: None)
    found.journal.close()
    again = recover(tmp_path, SEGMENT, 4)
    again.journal.close()
    assert again.checkpoint == 0
    known = again.drift.newest("scope")
    assert known is not None
    assert (known.run, known.model_sha256) == ("first", "a" * 64)
    assert (known.sums.table == ended("r").sums.table).all()


def test_a_record_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    found = recover(tmp_path, SEGMENT, 4)
    body = {"v": 1, "type": "status", "event": "run_drift", "instrument": "s", "run": "r"}
    payload = pack({**body, "model_sha256": "a" * 64, "frames": 2, "sums": [[1.0]]})
    found.journal.append([("status", payload)])
    found.journal.sync()
    found.journal.close()
    with pytest.raises(BadRecording, match="offset 0: not a status of this version"):
        recover(tmp_path, SEGMENT, 4)
