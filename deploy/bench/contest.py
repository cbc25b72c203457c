"""Every backend in every precision on this box, in one run: each in its own best way, all of them in every round.

Ratios are taken within a round, where a busy box disturbs both sides alike, and their median and spread are told. The
time of a lone cell is measured in the same rounds. Nothing but `Backend.infer` is timed.
"""

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from phenostream.daemon.tuning.timing import time_backend, time_one_cell
from phenostream.deploy.bench.entrants import BestWays, Entrant, Open, Way, scout
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.errors import PhenostreamError

TORCH: Final = Entrant("torch", "fp32")
TORCH_ONE_CELL: Final = Entrant("torch", "fp32", one_cell=True)
ONNXRUNTIME: Final = Entrant("onnxruntime", "fp32")
REFERENCES: Final = (TORCH, TORCH_ONE_CELL, ONNXRUNTIME)
"""What the others are compared with."""


class Probe(Protocol):
    """Something else that is timed in every round, such as a ceiling of the box."""

    label: str

    def rate(self, seconds: float) -> float:
        """Per second, measured for about so long."""
        ...


@dataclass(frozen=True, slots=True)
class Spread:
    """Of the rounds: the median, the least and the most."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float], digits: int = 1) -> "Spread":
        """Of one value or more."""
        found = (statistics.median(values), min(values), max(values))
        return Spread(*(round(value, digits) for value in found))


@dataclass(frozen=True, slots=True)
class Standing:
    """What one entrant did.

    Attributes:
        device: As the backend calls it.
        golden: Largest difference to the golden outputs; of int8 the share of changed decisions.
        way: Its best, at which cells/s were measured.
        cells_per_s: All streams together.
        rates: The same of every round, in order.
        cpu_ms_per_cell: CPU time of the whole process, median of the rounds.
        lone: Its best way for a lone cell.
        lone_p50_ms: Of one call with one crop, nothing else running.
        lone_p99_ms: Likewise.
        lone_calls: How many calls the two are of.
    """

    entrant: Entrant
    device: str
    golden: float
    way: Way
    cells_per_s: Spread
    rates: tuple[float, ...]
    cpu_ms_per_cell: float
    lone: Way
    lone_p50_ms: float
    lone_p99_ms: float
    lone_calls: int

    def ratio_to(self, other: "Standing") -> Spread:
        """Cells/s of this one ÷ the other's, round by round."""
        pairs = zip(self.rates, other.rates, strict=True)
        return Spread.of([own / theirs for own, theirs in pairs], 3)


@dataclass(frozen=True, slots=True)
class Contest:
    """What was found.

    Attributes:
        standings: The fastest first.
        absent: By label, whoever did not load or failed amid, and the one line that says why.
        beside: Rates of every probe, by label, round by round.
    """

    standings: tuple[Standing, ...]
    absent: dict[str, str]
    beside: dict[str, tuple[float, ...]]

    def of(self, entrant: Entrant) -> Standing | None:
        """One entrant's; None: it is absent."""
        return next((one for one in self.standings if one.entrant == entrant), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the rows with their ratios, and who is absent."""
        return {"rows": [self._row(one) for one in self.standings], "absent": self.absent}

    def _row(self, standing: Standing) -> dict[str, Any]:
        row = asdict(standing)
        references = [one for one in map(self.of, REFERENCES) if one is not None]
        ratios = {one.entrant.label: asdict(standing.ratio_to(one)) for one in references}
        return {"label": standing.entrant.label, **row.pop("entrant"), **row, "ratio_to": ratios}


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        rounds: 1 or more.
        seconds: Of every entrant and probe, every round.
        lone_calls: With one crop, every round.
    """

    rounds: int = 5
    seconds: float = 0.7
    lone_calls: int = 60


@dataclass(slots=True)
class _Runner:
    """One entrant, open, while it is timed."""

    entrant: Entrant
    ways: BestWays
    busy: Backend
    lone: Backend
    golden: float
    rates: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    lone_ms: list[float] = field(default_factory=list)

    def take_turn(self, effort: Effort) -> None:
        streams = 1 if self.entrant.one_cell else self.busy.streams
        rate, cpu_s = time_backend(self.busy, streams, self.ways.busy.batch, effort.seconds)
        self.rates.append(rate)
        self.cpu_s.append(cpu_s)
        self.lone_ms += time_one_cell(self.lone, effort.lone_calls)

    def standing(self) -> Standing:
        p50, p99 = np.percentile(self.lone_ms, [50, 99])
        return Standing(
            entrant=self.entrant,
            device=self.busy.device,
            golden=self.golden,
            way=self.ways.busy,
            cells_per_s=Spread.of(self.rates),
            rates=tuple(round(rate, 1) for rate in self.rates),
            cpu_ms_per_cell=round(statistics.median(self.cpu_s) * 1e3, 4),
            lone=self.ways.lone,
            lone_p50_ms=round(float(p50), 3),
            lone_p99_ms=round(float(p99), 3),
            lone_calls=len(self.lone_ms),
        )


Layouts = Callable[[Entrant], tuple[Sequence[tuple[int, int]], Sequence[int]]]
"""Streams and threads, and batches, that an entrant tries."""


def hold_contest(
    entrants: Sequence[Entrant],
    open_way: Open,
    golden: Callable[[Backend], float],
    layouts: Layouts,
    *,
    effort: Effort,
    beside: Sequence[Probe] = (),
    on_step: Callable[[str], None] = lambda what: None,
) -> Contest:
    """Scout each entrant's best ways, then time all of them in turns, every second round backwards.

    All that loaded are open at once in the second part: with many streams that is much memory.

    Args:
        entrants: Who.
        open_way: Opens a backend that gave the golden outputs.
        golden: How far from the golden outputs a backend is.
        layouts: What each tries.
        effort: How much is measured.
        beside: What else is timed in every round.
        on_step: Called after each of `steps`, with what was done.
    """
    absent: dict[str, str] = {}
    with ExitStack() as opened:
        runners: list[_Runner] = []
        for entrant in entrants:
            try:
                found = scout(entrant, open_way, *layouts(entrant))
                runners.append(_opened(entrant, found, open_way, golden, opened))
            except PhenostreamError as err:
                absent[entrant.label] = str(err)
            on_step(entrant.label)
        rates = _take_turns(runners, beside, effort, absent, on_step)
    left = [one.standing() for one in runners if one.entrant.label not in absent]
    left.sort(key=lambda standing: -standing.cells_per_s.median)
    return Contest(tuple(left), absent, rates)


def steps(entrants: int, probes: int, effort: Effort) -> int:
    """How often `on_step` is called where nobody is absent."""
    return entrants + effort.rounds * (entrants + probes)


def _opened(
    entrant: Entrant,
    ways: BestWays,
    open_way: Open,
    golden: Callable[[Backend], float],
    opened: ExitStack,
) -> _Runner:
    """Both of an entrant's best ways, open until `opened` closes."""
    by_layout: dict[tuple[int, int], Backend] = {}
    for way in (ways.busy, ways.lone):
        layout = way.streams, way.threads
        if layout not in by_layout:
            backend = open_way(entrant.backend, entrant.precision, *layout, ways.largest)
            opened.callback(backend.close)
            by_layout[layout] = backend
    busy = by_layout[ways.busy.streams, ways.busy.threads]
    lone = by_layout[ways.lone.streams, ways.lone.threads]
    return _Runner(entrant, ways, busy, lone, golden(busy))


def _take_turns(
    runners: Sequence[_Runner],
    beside: Sequence[Probe],
    effort: Effort,
    absent: dict[str, str],
    on_step: Callable[[str], None],
) -> dict[str, tuple[float, ...]]:
    rates: dict[str, list[float]] = {probe.label: [] for probe in beside}
    for number in range(effort.rounds):
        for probe in beside:
            rates[probe.label].append(probe.rate(effort.seconds))
            on_step(probe.label)
        for runner in runners if number % 2 == 0 else reversed(runners):
            label = runner.entrant.label
            if label not in absent:
                try:
                    runner.take_turn(effort)
                except PhenostreamError as err:
                    absent[label] = str(err)
                on_step(label)
    return {label: tuple(found) for label, found in rates.items()}
