"""What the journal costs: the start of a daemon by its length, and the throughput of the pipeline.

The start is recovery alone (`daemon.recovery.recover`), on journals of simulated records that are written beforehand.
For the throughput two daemons run side by side, one of them with a journal that keeps nothing (`without_journal`); they
take turns, each first in every other round, and a ratio is taken within its round.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.checkpointing import Checkpointing
from phenostream.daemon.health import Health
from phenostream.daemon.journal.keeper import Keeper
from phenostream.daemon.journal.log import SEGMENT_BYTES
from phenostream.daemon.journal.retention import Limits
from phenostream.daemon.pipeline.entries import RunStarted
from phenostream.daemon.pipeline.records import run_started
from phenostream.daemon.recovery import Recovered, recover
from phenostream.daemon.summaries import SummaryBook
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import Start
from phenostream.daemon.wire.results import Topic
from phenostream.deploy.bench.pipeline import DISTINCT_FRAMES, stream_once
from phenostream.deploy.child import PROGRAM, DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import EngineFault

_GROUP: Final = 1000
_CELLS: Final = 4
_BYTES_A_CELL: Final = 100


@dataclass(frozen=True, slots=True)
class StartFigure:
    """Medians over the rounds, seconds.

    Attributes:
        records: In the journal.
        megabytes: Of its segments.
        without_s: Reading all of it.
        with_s: From its newest checkpoint.
        ratio: The former by the latter, median of the rounds' ratios.
    """

    records: int
    megabytes: float
    without_s: float
    with_s: float
    ratio: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ThroughputFigure:
    """Frames per second, medians over the rounds.

    Attributes:
        ratio: With the journal by without, median of the rounds' ratios.
        ratios: Of every round.
    """

    with_fps: float
    without_fps: float
    ratio: float
    ratios: tuple[float, ...]
    cells_per_frame: float
    size_px: int
    frames: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_start(
    bundle: Bundle,
    start: Start,
    folder: Path,
    records: int,
    rounds: int,
    on_step: Callable[[], None] = lambda: None,
) -> StartFigure:
    """Write a journal of so many records of one run, then open it with and without its checkpoint, in turn.

    Raises:
        EngineFault: A start did not go the way that was to be timed.
    """
    directory = folder / f"journal-{records}"
    _write(bundle, start, directory, records)
    aside = folder / f"aside-{records}"
    aside.mkdir()
    timed: list[tuple[float, float]] = []
    for _ in range(rounds):
        with_s = _timed(directory, records, read=0)
        for path in directory.glob("*.checkpoint"):
            path.rename(aside / path.name)
        without_s = _timed(directory, records, read=records)
        for path in aside.iterdir():
            path.rename(directory / path.name)
        timed.append((without_s, with_s))
        on_step()
    size = sum(path.stat().st_size for path in directory.glob("*.journal"))
    return StartFigure(
        records,
        round(size / 1e6, 1),
        round(statistics.median(slow for slow, _ in timed), 4),
        round(statistics.median(quick for _, quick in timed), 4),
        round(statistics.median(slow / quick for slow, quick in timed), 1),
    )


def measure_throughput(
    bundle_name: str,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    frames: int,
    rounds: int,
    on_step: Callable[[], None] = lambda: None,
) -> ThroughputFigure:
    """Alternate a daemon with its journal and one without, `rounds` times each.

    Raises:
        EngineFault: A daemon did not publish every frame it received.
    """
    images = [microscope.frame(seq) for seq in range(DISTINCT_FRAMES)]
    settings, cells = child_settings(bundle_name), 0.0
    rates: dict[str, list[float]] = {"with": [], "without": []}
    off = (*PROGRAM[:-1], "phenostream.deploy.bench.without_journal")
    with (
        DaemonChild(folder / "with", settings) as one,
        DaemonChild(folder / "off", settings, program=off) as other,
    ):
        urls = {"with": one.ready["ingest"], "without": other.ready["ingest"]}
        for number in range(rounds):
            for name in sorted(urls, reverse=bool(number % 2)):
                _, fps, cells = stream_once(urls[name], microscope, images, frames)
                rates[name].append(fps)
                on_step()
    ratios = [a / b for a, b in zip(rates["with"], rates["without"], strict=True)]
    return ThroughputFigure(
        round(statistics.median(rates["with"]), 2),
        round(statistics.median(rates["without"]), 2),
        round(statistics.median(ratios), 3),
        tuple(round(ratio, 3) for ratio in ratios),
        round(cells, 1),
        microscope.settings.size_px,
        frames,
    )


def _write(bundle: Bundle, start: Start, directory: Path, records: int) -> None:
    """A journal of one open run, and the checkpoint that a stopped daemon leaves."""
    found = recover(directory, SEGMENT_BYTES, 1)
    payload = run_started(RunStarted(start), model_synthetic=True)
    found.register.started(start.model_dump(mode="json"), 0, None)
    found.ledger.open(start.run, None)
    group: list[tuple[Topic, bytes]] = [("status", payload)]
    for seq in range(records - 1):
        group.append(("result", _result(start.run, seq)))
        found.ledger.receive(start.run, seq)
        found.ledger.settle(start.run, seq, "published", None, {"found": _CELLS})
        if len(group) == _GROUP:
            found.journal.append(group)
            group = []
    if group:
        found.journal.append(group)
    found.journal.sync()
    keeper = Keeper(directory, found.journal, Limits(), Health())
    summaries = SummaryBook(bundle.manifest, 10.0, 1)
    Checkpointing(found.journal, found.ledger, found.register, summaries, keeper).finish()
    keeper.run(lambda: None)
    found.journal.close()


def _result(run: str, seq: int) -> bytes:
    """Keys as a result's, with columns of so many bytes."""
    meta: dict[str, Any] = {
        "run": run,
        "instrument": "simulator",
        "frame_seq": seq,
        "fate": "published",
        "reason": None,
        "counts": {"found": _CELLS, "classified": _CELLS},
        "received_utc_ns": seq,
        "flags": {},
        "synthetic": True,
    }
    columns = {"cells": {"data": bytes(_CELLS * _BYTES_A_CELL)}}
    return pack({"v": 1, "type": "result", **meta, "columns": columns})


def _timed(directory: Path, records: int, read: int) -> float:
    began_s = time.perf_counter()
    found = recover(directory, SEGMENT_BYTES, 1)
    took_s = time.perf_counter() - began_s
    found.journal.close()
    _check(found, records, read)
    return took_s


def _check(found: Recovered, records: int, read: int) -> None:
    received = found.ledger.total()["received"]
    if (found.journal.recovery.records, received) != (read, records - 1):
        raise EngineFault(
            f"bench journal: {found.journal.recovery.records} records read, {received} frames known; "
            f"expected {read} and {records - 1}"
        )


def lengths(longest: int) -> Iterator[int]:
    """Records of the journals that are opened: 10,000 and tenfold each, up to the longest."""
    length = 10_000
    while length <= longest:
        yield length
        length *= 10
