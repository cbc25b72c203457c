"""How often the watch for drift alarms where nothing changed, and how often where something did: on simulated frames.

Frames are simulated and inferred once; windows are drawn from them again and again, so that rates are those of these
frames. Where nothing changed, which frames are the earlier run is drawn anew for each run too: one odd half would else
be in all of them. Everything is synthetic. Nothing here is timed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from phenostream.deploy.model_frames import StreamSettings, model_frames, simulator_of
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.drift.frame import frame_values
from phenostream.engine.drift.quantities import Quantity, Tolerances, quantities_of
from phenostream.engine.drift.sums import F64, Sums
from phenostream.engine.drift.watch import DriftBaseline, Watch, WatchSettings
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import wilson_interval

Values = tuple[F64, F64]
Run = tuple[Sequence[Values], DriftBaseline]
"""Frames in the order in which they come, and what they are compared with."""
PLANTED: Final[dict[str, StreamSettings]] = {
    "defocus: all cells 4 to 8 µm from focus": StreamSettings(far_um=(4.0, 8.0)),
    "gain: the lamp is 30 % brighter": StreamSettings(gain=1.3),
    "class mix: 50 % lymphocytes for 30 %": StreamSettings(white_mix=(0.50, 0.45, 0.05)),
    "another preset: easy": StreamSettings(preset="easy"),
}
OTHER_SEEDS: Final = {
    f"other objects, seed {seed}": StreamSettings(seed=seed) for seed in (1, 2, 3)
}
"""The same kind of sample: 200 other objects."""
_NO_TOLERANCE: Final = Tolerances(1e-9, 1e-9, 1e-9, 1e-9)
_DRAWS: Final = 200


@dataclass(frozen=True, slots=True)
class DriftPlan:
    """What is measured.

    Attributes:
        frames: Of each stream; half of the unchanged one's, drawn at random, are the earlier run.
        unchanged: What is streamed.
        others: What else, by name.
        settings: Of the watch.
    """

    frames: int = 240
    unchanged: StreamSettings = field(default_factory=StreamSettings)
    others: Mapping[str, StreamSettings] = field(default_factory=lambda: OTHER_SEEDS | PLANTED)
    settings: WatchSettings = field(default_factory=WatchSettings)

    @property
    def steps(self) -> int:
        """Frames in all."""
        return self.frames * (1 + len(self.others))


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One stream against one baseline.

    Attributes:
        stream: What was streamed.
        against: What it was compared with.
        tolerance: ``as configured``, or ``none``: what the test finds where a difference of nothing is too much.
        windows: That were compared.
        beyond: Share of them with a quantity shown to lie further away than allowed.
        low: Lower end of its 95 % interval, were windows independent (Wilson).
        high: Upper end.
        alarmed: Share of the runs in which an alarm opened.
        first: The quantities that were beyond most often, with the share of windows.
    """

    stream: str
    against: str
    tolerance: str
    windows: int
    beyond: float
    low: float
    high: float
    alarmed: float
    first: tuple[tuple[str, float], ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure_drift(
    bundle: Bundle,
    backend: Backend,
    cache: Path,
    plan: DriftPlan,
    on_frame: Callable[[], object] = lambda: None,
) -> list[DriftRow]:
    """Compare streams with an earlier run of the same microscope, and with the bundle's training population.

    Args:
        bundle: Whose model.
        backend: Of it, warm.
        cache: Folder for rendered objects.
        plan: What to measure.
        on_frame: Called after each frame.
    """

    def made(stream: StreamSettings) -> list[Values]:
        return frame_values_of(bundle, backend, cache, stream, plan.frames, on_frame)

    unchanged = made(plan.unchanged)
    quantities = quantities_of(SummaryContext.of(bundle.manifest, simulated_cells=True))
    told = bundle.population
    training = None if told is None else DriftBaseline("training", "", told.sums)

    def rows_of(name: str, run: Callable[[np.random.Generator], Run]) -> list[DriftRow]:
        rows = [_row(name, run, quantities, plan.settings)]
        if training is not None:
            against = training
            rows.append(_row(name, lambda rng: (run(rng)[0], against), quantities, plan.settings))
        return rows

    earlier = DriftBaseline("previous_run", "", summed(unchanged[: plan.frames // 2]))

    def all_of(values: Sequence[Values]) -> Callable[[np.random.Generator], Run]:
        return lambda rng: (_shuffled(values, rng), earlier)

    strict = replace(plan.settings, tolerances=_NO_TOLERANCE)
    halves = partial(drawn_halves, unchanged)
    rows = [_row("unchanged", halves, quantities, strict), *rows_of("unchanged", halves)]
    for name, settings in plan.others.items():
        rows += rows_of(name, all_of(made(settings)))
    return rows


def drawn_halves(values: Sequence[Values], rng: np.random.Generator) -> Run:
    """Half of the frames, drawn at random, as an earlier run, and the others in random order."""
    order, half = _shuffled(values, rng), len(values) // 2
    return order[half:], DriftBaseline("previous_run", "", summed(order[:half]))


def _shuffled(values: Sequence[Values], rng: np.random.Generator) -> list[Values]:
    return [values[place] for place in rng.permutation(len(values))]


def frame_values_of(
    bundle: Bundle,
    backend: Backend,
    cache: Path,
    stream: StreamSettings,
    count: int,
    on_frame: Callable[[], object] = lambda: None,
) -> list[Values]:
    """What the watch takes of a stream's first frames; see `measure_drift`."""
    context = SummaryContext.of(bundle.manifest, simulated_cells=True)
    told, values = bundle.population, []
    simulator = simulator_of(stream, cache)
    for one in model_frames(simulator, range(count), backend, bundle.manifest):
        projected = None if told is None else told.projection.of(one.feature)
        values.append(frame_values(context, one.columns, projected, one.levels))
        on_frame()
    return values


def summed(values: Sequence[Values]) -> Sums:
    """The sums of some frames."""
    sums = Sums(len(values[0][0]))
    for x, n in values:
        sums.add(x, n)
    return sums


def _row(
    name: str,
    run: Callable[[np.random.Generator], Run],
    quantities: tuple[Quantity, ...],
    settings: WatchSettings,
) -> DriftRow:
    """As many runs as are drawn."""
    rng = np.random.default_rng(0)
    windows = beyond = alarmed = 0
    found: dict[str, int] = {}
    for _ in range(_DRAWS):
        values, baseline = run(rng)
        watch = Watch(quantities, [baseline], settings)
        opened = False
        for x, n in values:
            before = watch.windows
            changes = watch.add(x, n)
            opened |= any(change.opened for change in changes)
            if watch.windows == before:
                continue
            codes = [one.quantity.code for one in watch.standings[0].last if one.beyond]
            windows, beyond = windows + 1, beyond + bool(codes)
            for code in codes:
                found[code] = found.get(code, 0) + 1
        alarmed += opened
    low, high = wilson_interval(beyond, windows)
    most = sorted(found.items(), key=lambda one: -one[1])[:4]
    return DriftRow(
        stream=name,
        against=baseline.against.replace("_", " "),
        tolerance="none" if settings.tolerances is _NO_TOLERANCE else "as configured",
        windows=windows,
        beyond=round(beyond / max(windows, 1), 4),
        low=round(low, 4),
        high=round(high, 4),
        alarmed=round(alarmed / _DRAWS, 3),
        first=tuple((code, round(count / windows, 3)) for code, count in most),
    )
