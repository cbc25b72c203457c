"""Compacting a journal with what its records amount to at hand, so that no frame is forgotten with its record."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.journal.checkpoint import Checkpoint
from phenostream.daemon.journal.compaction import Compacted, compact
from phenostream.daemon.journal.inspection import inspect
from phenostream.daemon.journal.log import SEGMENT_BYTES
from phenostream.daemon.journal.record import Record
from phenostream.daemon.journal.retention import Limits
from phenostream.daemon.journal.runs import RunFacts, RunTable
from phenostream.daemon.recovery import Recovered, recover
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.engine.errors import BadConfig

_DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person wants dropped, besides acknowledging damage.

    Attributes:
        ended_days: Results and summaries of ended runs whose last frame came longer ago; None: none.
        runs: Those of these runs.
        limits: How much of the rest is kept.
    """

    ended_days: float | None = None
    runs: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)


def compact_journal(
    directory: Path, wishes: Wishes, on_bytes: Callable[[int], None] = lambda count: None
) -> Compacted:
    """Do what is wished; the caller holds the journal's lock.

    Args:
        directory: Of the journal.
        wishes: What to drop.
        on_bytes: Called with the number of bytes read since the last call.

    Raises:
        BadConfig: A run that is named has not ended, or is not there.
        BadRecording: The journal is refused.
        OSError: The disk failed or is full; the journal can be used as it is then.
    """
    found = recover(directory, SEGMENT_BYTES, 1)
    end, segments, _ = found.journal.facts()
    found.journal.close()
    table = RunTable()
    inspect(directory, table.take, on_bytes)
    chosen = _chosen(table.runs, found, wishes)

    def drops(record: Record) -> bool:
        return (
            bool(chosen)
            and record.topic != "status"
            and unpack_meta(record.payload).get("run") in chosen
        )

    checkpoint = Checkpoint(end, segments, (), _state(found))
    return compact(directory, checkpoint, drops, wishes.limits, on_bytes)


def _chosen(runs: dict[str, RunFacts], found: Recovered, wishes: Wishes) -> set[str]:
    ended = set(found.register.in_order_of_end()) | set(found.register.forgotten)
    for run in wishes.runs:
        if run not in runs:
            raise BadConfig(f"--drop-run {run}: not in this journal")
        if run not in ended:
            raise BadConfig(f"--drop-run {run}: has not ended; allowed runs that have")
    chosen = set(wishes.runs)
    if wishes.ended_days is not None:
        before = time.time_ns() - round(wishes.ended_days * _DAY_NS)
        chosen |= {
            run for run, facts in runs.items() if run in ended and (facts.last_utc_ns or 0) < before
        }
    return chosen


def _state(found: Recovered) -> dict[str, Any]:
    return {
        "register": found.register.state(),
        "ledger": found.ledger.state(found.register.forgotten),
        "summaries": [list(one) for one in found.counted],
    }
