"""Whether the daemon's account of a source that nobody answers is exact, also when far more is sent than it can take.

Frames are pushed, or published, as fast as they can be sent, some numbers left out and some sent twice on purpose. What
the ledger says is held against what was sent and against the records in the journal.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.client.best_effort_sender import BestEffortSender, BestEffortSettings, Way
from phenostream.daemon.client.control import Control
from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.errors import EngineFault

WAYS: Final[tuple[Way, ...]] = ("push", "pub")
_SOCKETS: Final = {"push": "pull", "pub": "sub"}
_DISTINCT_FRAMES: Final = 4
_LEFT_OUT: Final = 0.05
_TWICE: Final = 0.05
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class SourceRun:
    """One run.

    Attributes:
        announced: What END said.
        sent: Distinct frames that were sent.
        twice: Frames that were sent a second time.
        received: Distinct frames by the daemon's ledger; likewise `missing` and `duplicates`.
        recorded: Distinct frames with a record in the journal.
        doubled: Records beyond one a frame.
        sent_per_s: Messages with a frame a second, as fast as they could be sent.
    """

    way: Way
    announced: int
    sent: int
    twice: int
    received: int
    missing: int
    duplicates: int
    recorded: int
    doubled: int
    sent_per_s: float

    @property
    def exact(self) -> bool:
        """The ledger agrees with the journal, and with what was sent as far as nothing can be lost on the way."""
        counted = self.received == self.recorded == self.announced - self.missing
        whole = self.received == self.sent and self.duplicates == self.twice
        return counted and not self.doubled and (whole or self.way == "pub")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "exact": self.exact}


def measure_sources(
    bundle_name: str,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    frames: int,
    rounds: int,
    on_step: Callable[[], object] = lambda: None,
) -> list[SourceRun]:
    """Send `rounds` runs each way, alternating, to one daemon.

    Raises:
        EngineFault: A run did not end.
    """
    images = [microscope.frame(seq) for seq in range(_DISTINCT_FRAMES)]
    settings = child_settings(bundle_name) + "".join(
        f'[[sources]]\nname = "{way}"\nsocket = "{_SOCKETS[way]}"\nendpoint = "ipc://{way}"\n'
        for way in WAYS
    )
    sent: list[tuple[Way, str, list[int], float, dict[str, int]]] = []
    with DaemonChild(folder, settings) as daemon, Control(daemon.ready["control"]) as control:
        for number in range(rounds):
            for way in WAYS:
                start = microscope.start(new_run_id(), frames)
                numbers = _numbers(frames, random.Random(number))  # noqa: S311 - a plan, no secret
                options = BestEffortSettings(way, high_water=4)
                with BestEffortSender(daemon.ready["sources"][way], options) as sender:
                    sender.reach()
                    sender.start(start)
                    began_s = time.monotonic()
                    for seq in numbers:
                        image = images[seq % _DISTINCT_FRAMES]
                        sender.send(SourceFrame(seq, image, source_utc_ns=seq))
                    rate = len(numbers) / (time.monotonic() - began_s)
                    sender.finish(frames)
                    ledger = _ended(control, start.run)
                sent.append((way, start.run, numbers, rate, ledger))
                on_step()
    records = _recorded(folder / "journal")
    return [
        _run(way, frames, numbers, rate, ledger, records[run])
        for way, run, numbers, rate, ledger in sent
    ]


def _numbers(frames: int, chance: random.Random) -> list[int]:
    """Numbers in order, some left out, some twice."""
    kept = [seq for seq in range(frames) if chance.random() >= _LEFT_OUT]
    return [seq for seq in kept for _ in range(1 + (chance.random() < _TWICE))]


def _ended(control: Control, run: str) -> dict[str, int]:
    """The ledger of a run once every frame has its fate and END was heard."""
    deadline = time.monotonic() + _PATIENCE_S
    ledger: dict[str, int] = {}
    while time.monotonic() < deadline:
        ledger = control.status()["ledger"]["runs"].get(run, {})
        settled = ledger.get("in_flight") == 0
        if settled and ledger["missing"] == ledger["announced"] - ledger["received"]:
            return ledger
        time.sleep(0.05)
    raise EngineFault(f"run {run} did not end within {_PATIENCE_S:.0f} s: {ledger}")


def _recorded(directory: Path) -> dict[str, Counter[int]]:
    """How many results each frame of each run has in the journal."""
    records: dict[str, Counter[int]] = {}

    def look(record: Record) -> None:
        if record.topic == "result":
            told = unpack_meta(record.payload)
            records.setdefault(told["run"], Counter())[told["frame_seq"]] += 1

    Journal(directory, on_record=look).close()
    return records


def _run(
    way: Way,
    announced: int,
    numbers: list[int],
    rate: float,
    ledger: dict[str, int],
    records: Counter[int],
) -> SourceRun:
    return SourceRun(
        way=way,
        announced=announced,
        sent=len(set(numbers)),
        twice=len(numbers) - len(set(numbers)),
        received=ledger["received"],
        missing=ledger["missing"],
        duplicates=ledger["duplicates"],
        recorded=len(records),
        doubled=records.total() - len(records),
        sent_per_s=round(rate, 1),
    )
