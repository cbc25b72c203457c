"""Measuring every way to run a model on this box, in a stated time.

First each way is timed twice, briefly, and the better time counts: other work on the box only ever slows. The best ways
of each backend and precision, and the usual one, are then timed again and again in turns, so that whatever else the box
does falls on all alike. A figure is the median of those turns, with the least and the most. How much of the CPU other
work took meanwhile is told with them. Knows backends and clocks; keeps nothing.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from phenostream.daemon.tuning.other_work import OtherWork
from phenostream.daemon.tuning.plan import Plan
from phenostream.daemon.tuning.timing import time_backend, time_one_cell
from phenostream.engine.backends.measured import TIE, Measured
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.backends.registry import golden_test
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import PhenostreamError
from phenostream.engine.manifest import Precision

ROUNDS: Final = 5
_LEAST_ROUNDS: Final = 3
_FINALISTS: Final = 2
"""Ways of one backend and precision that are timed in turns, beside the usual one; where even the best is slower than
`_HOPELESS`, it alone."""
_HOPELESS: Final = 0.5
"""Of the fastest way of all: what is slower will hardly be taken."""
_TRIAL_SHARE: Final = 0.35
"""Of the time, for the first brief timings."""
_SHORTEST_S: Final = 0.05
_LONGEST_S: Final = 0.5
_LONE_CALLS: Final = 8
"""With one crop, each round: at most a few hundred in all, the median of which is steady."""
_PATIENCE_S: Final = 20.0
"""Beyond the budget: later than this, what is left to try is tried in its usual layout only, and once."""
_WORSE: Final = 1 - 2 * TIE
"""A batch that is slower than this share of the best so far: larger ones are not tried."""

Open = Callable[[str, Precision, int, int, int], Backend]
"""Backend, precision, streams, threads and largest batch: a backend that gave the golden outputs."""
OnStep = Callable[[int, int, str], None]
"""How many timings are done, how many there will be, and what was timed."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a backend and precision that loaded said of itself.

    Attributes:
        device: For a person.
        golden: Largest difference to the golden outputs; of int8 the share of changed decisions.
    """

    backend: str
    precision: Precision
    device: str
    golden: float


@dataclass(frozen=True, slots=True)
class Absent:
    """A backend and precision that cannot serve here, and the one line that says why."""

    backend: str
    precision: Precision
    reason: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found.

    Attributes:
        rows: What was timed in turns, of each backend and precision one or two ways.
        loaded: Every backend and precision that gave the golden outputs.
        absent: All others.
        utc: When, ISO 8601 to the second.
        others: Share of the usable cores' time that other work took meanwhile, 0 to 1.
        took_s: From first to last, loading included.
        attempt: How often this box was measured for it, this time included.
    """

    rows: tuple[Measured, ...]
    loaded: tuple[Loaded, ...]
    absent: tuple[Absent, ...]
    utc: str
    others: float
    took_s: float
    attempt: int = 1


def calibrate(
    bundle: Bundle,
    plan: Plan,
    open_way: Open,
    *,
    budget_s: float,
    on_step: OnStep = lambda done, of, what: None,
) -> Calibration:
    """Measure what the plan says.

    Args:
        bundle: What the backends are opened with; its golden crops are asked once more.
        plan: What to try.
        open_way: Opens one way.
        budget_s: Time for all timings together. Loading comes on top; each way is timed at least four times, so that
            very slow ones may take longer. Where that takes 20 s more than the budget, less is tried.
        on_step: Called after each timing.
    """
    return _Calibrating(bundle, plan, open_way, budget_s, on_step).run()


@dataclass(slots=True, eq=False)
class _Way:
    """One backend in one layout with one batch, while it is timed."""

    backend: Backend
    precision: Precision
    threads: int
    batch: int
    trial: float
    rates: list[float] = field(default_factory=list)
    lone_ms: list[float] = field(default_factory=list)

    @property
    def row(self) -> tuple[str, Precision]:
        """What it is one way of."""
        return self.backend.name, self.precision

    @property
    def layout(self) -> tuple[int, int]:
        """Streams and batch."""
        return self.backend.streams, self.batch

    def take_turn(self, seconds: float) -> None:
        """Once with every stream busy, and a few times with one crop."""
        rate, _ = time_backend(self.backend, self.backend.streams, self.batch, seconds)
        self.rates.append(rate)
        self.lone_ms += time_one_cell(self.backend, _LONE_CALLS)

    def measured(self) -> Measured:
        """The figures of all rounds."""
        return Measured(
            backend=self.backend.name,
            precision=self.precision,
            streams=self.backend.streams,
            threads=max(self.threads, self.backend.streams),
            max_batch=self.batch,
            cells_per_s=round(statistics.median(self.rates), 1),
            least=round(min(self.rates), 1),
            most=round(max(self.rates), 1),
            batch1_ms=round(statistics.median(self.lone_ms), 3),
        )


class _Calibrating:
    """One calibration under way."""

    def __init__(
        self, bundle: Bundle, plan: Plan, open_way: Open, budget_s: float, on_step: OnStep
    ) -> None:
        self._bundle, self._plan, self._open, self._on_step = bundle, plan, open_way, on_step
        rows = plan.rows()
        trials = sum(len(plan.layouts(name)) * len(plan.batches(name)) for name, _ in rows)
        self._trial_s = _between(_TRIAL_SHARE * budget_s / max(2 * trials, 1))
        self._turns_s = (1 - _TRIAL_SHARE) * budget_s
        self._late_s = time.monotonic() + budget_s + _PATIENCE_S
        self._steps = 2 * trials + (_FINALISTS + 1) * ROUNDS * len(rows)
        self._done = 0
        self._loaded: list[Loaded] = []
        self._absent: dict[tuple[str, Precision], str] = {}

    def run(self) -> Calibration:
        """Trials, then turns."""
        began_s, others = time.monotonic(), OtherWork()
        utc = datetime.now(UTC).isoformat(timespec="seconds")
        with ExitStack() as opened:
            ways = [way for row in self._plan.rows() for way in self._tried(*row, opened)]
            ways = _worth_a_turn(ways)
            self._steps = self._done + ROUNDS * len(ways)
            self._take_turns(ways)
        return Calibration(
            tuple(way.measured() for way in ways if way.row not in self._absent),
            tuple(one for one in self._loaded if (one.backend, one.precision) not in self._absent),
            tuple(Absent(*row, reason) for row, reason in self._absent.items()),
            utc,
            round(others.share(), 2),
            round(time.monotonic() - began_s, 1),
        )

    def _tried(self, name: str, precision: Precision, opened: ExitStack) -> list[_Way]:
        """The best ways of one backend and precision, open; all its others are closed again."""
        ways: list[_Way] = []
        backends: list[Backend] = []
        largest = max(self._plan.batches(name))
        try:
            layouts = self._plan.layouts(name)
            for streams, threads in layouts[:1] if self._is_late() else layouts:
                backends.append(self._open(name, precision, streams, threads, largest))
                ways += self._trials(backends[-1], precision, threads)
            for way in () if self._is_late() else reversed(ways):
                way.trial = max(way.trial, self._trial(way.backend, way.batch))
            golden = golden_test(backends[0], self._bundle)
            self._loaded.append(Loaded(name, precision, backends[0].device, golden))
        except PhenostreamError as err:
            self._absent[name, precision] = str(err)
            ways = []
        best = sorted(ways, key=lambda way: -way.trial)[:_FINALISTS]
        usual = self._plan.usual(name)
        best += [way for way in ways if way.layout == usual and way not in best]
        for backend in backends:
            if any(way.backend is backend for way in best):
                opened.callback(backend.close)
            else:
                backend.close()
        return best

    def _trials(self, backend: Backend, precision: Precision, threads: int) -> Iterator[_Way]:
        fastest = 0.0
        for batch in self._plan.batches(backend.name):
            if batch > backend.max_batch:
                return
            rate = self._trial(backend, batch)
            yield _Way(backend, precision, threads, batch, rate)
            fastest = max(fastest, rate)
            if rate < _WORSE * fastest:
                return

    def _trial(self, backend: Backend, batch: int) -> float:
        rate, _ = time_backend(backend, backend.streams, batch, self._trial_s)
        self._step(backend, batch)
        return rate

    def _is_late(self) -> bool:
        """Whether loading and trying took so long already that the rest is cut short: the box is very busy."""
        return time.monotonic() >= self._late_s

    def _take_turns(self, ways: list[_Way]) -> None:
        """Rounds over all of them, every second one backwards, until the time is up."""
        turn_s = _between(self._turns_s / max(ROUNDS * len(ways), 1))
        ends_s = time.monotonic() + self._turns_s
        for number in range(ROUNDS):
            if number >= _LEAST_ROUNDS and time.monotonic() >= ends_s:
                return
            for way in ways if number % 2 == 0 else reversed(ways):
                if way.row in self._absent:
                    continue
                try:
                    way.take_turn(turn_s)
                except PhenostreamError as err:
                    self._absent[way.row] = str(err)
                self._step(way.backend, way.batch)

    def _step(self, backend: Backend, batch: int) -> None:
        self._done += 1
        what = f"{backend.name} {backend.precision}, {backend.streams} streams, batch {batch}"
        self._on_step(self._done, self._steps, what)


def _worth_a_turn(ways: list[_Way]) -> list[_Way]:
    """All of them, but of a backend and precision that is much slower than the fastest of all only the best."""
    fastest = max((way.trial for way in ways), default=0.0)
    best = {row: max(way.trial for way in ways if way.row == row) for row in {w.row for w in ways}}
    return [
        way for way in ways if way.trial >= best[way.row] or best[way.row] >= _HOPELESS * fastest
    ]


def _between(seconds: float) -> float:
    return min(max(seconds, _SHORTEST_S), _LONGEST_S)
