"""What a change of models costs the frames that come meanwhile: a run with a swap in it, and the same run without.

Both runs of a pair have the same frames at the same instants (open-loop Poisson arrivals, see `latency`); which comes
first alternates. Frames that arrive while the swap is under way, from the request to the end of the probation, are
compared with the frames of the same numbers in the other run. The second model is the first one's twin, under another
version: all that is measured is the swap.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.swapping import follow_swap
from phenostream.deploy.bench.latency import (
    DISTINCT_FRAMES,
    TimedFrame,
    measure_capacity,
    quantile,
    timed_run,
)
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.bundle import MANIFEST, load_bundle
from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import SEAL, sealed

_CALM_SHARE: Final = 0.1
"""Of a run's frames, before the swap is asked for."""
_ASK_TIMEOUT_S: Final = 60.0
_LONGEST_VERSION: Final = 32


@dataclass(frozen=True, slots=True)
class SwapPair:
    """One pair: frames that arrived during the swap, and those of the same numbers in the run without.

    Attributes:
        p50_ms: Last byte received to subscriber: (without, with).
        p99_ms: Likewise.
        added_p99_ms: Likewise, less the inference.
        took_s: From the request until it was over.
        frames: Compared on each side.
        unpublished: Frames of the run with the swap whose fate is not published.
        turned_back: Times that a frame names the old model although one before it names the new one.
        by_model: Frames of the run with the swap, by the identity that their result names.
    """

    p50_ms: tuple[float, float]
    p99_ms: tuple[float, float]
    added_p99_ms: tuple[float, float]
    took_s: float
    frames: int
    unpublished: int
    turned_back: int
    by_model: dict[str, int]


@dataclass(frozen=True, slots=True)
class PhaseFigure:
    """Frames of all pairs that arrived in one phase of the swap: (without, with)."""

    phase: str
    frames: int
    p50_ms: tuple[float, float]
    p99_ms: tuple[float, float]


@dataclass(frozen=True, slots=True)
class SwapFigure:
    """Of all pairs.

    Attributes:
        p99_percent: How much larger the p99 is during the swap, in %: median over the pairs, and its quartiles.
        pooled_p99_ms: Of all pairs' frames together: (without, with).
        unpublished: Frames of any run with a swap that were not published.
        offered_fps: Mean rate of the Poisson arrivals.
    """

    pairs: list[SwapPair]
    phases: list[PhaseFigure]
    p99_percent: tuple[float, float, float]
    pooled_p99_ms: tuple[float, float]
    unpublished: int
    turned_back: int
    capacity_fps: float
    offered_fps: float
    frames: int
    size_px: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(slots=True)
class _Watched:
    """A swap that went through, with the instants at which a state was first seen.

    Attributes:
        states: (state, monotonic clock in ns), in order; the first is the request, the last the end.
    """

    states: list[tuple[str, int]] = field(default_factory=list)
    swap: dict[str, Any] = field(default_factory=dict)

    def look(self, swap: dict[str, Any]) -> None:
        if not self.states or self.states[-1][0] != swap.get("state"):
            self.states.append((str(swap.get("state")), time.monotonic_ns()))
        self.swap = swap

    def phase_of(self, frame: TimedFrame) -> str | None:
        """In which state the swap was when the daemon had the frame's last byte; None: before it or after."""
        for (state, begin), (_, end) in pairwise(self.states):
            if begin <= frame.received_ns < end:
                return state
        return None


@dataclass(slots=True)
class _Compared:
    """Frames of one number: how long they took without and with a swap, and in which phase."""

    whole_ms: tuple[float, float]
    added_ms: tuple[float, float]
    phase: str


def measure_swap(
    bundle: Path,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    frames: int,
    load: float,
    pairs: int,
    terms: Mapping[str, float | bool],
    on_step: Callable[[], object] = lambda: None,
) -> SwapFigure:
    """Measure capacity, then `pairs` times both sides at `load` of it.

    Args:
        bundle: The model that serves first.
        microscope: What is sent.
        folder: For the daemon and the twin.
        frames: Of a run; the swap must be over before its last one.
        load: Share of the capacity.
        pairs: How often.
        terms: Of the swap: keys of the `model_load` request.
        on_step: Called after each run.

    Raises:
        EngineFault: A swap was refused or rolled back, or was not over when its run was.
    """
    images = [microscope.frame(seq) for seq in range(DISTINCT_FRAMES)]
    models = [bundle, write_twin(bundle, folder / "twin")]
    found: list[SwapPair] = []
    compared: list[_Compared] = []
    with DaemonChild(folder / "d", child_settings(str(bundle))) as daemon:
        capacity = measure_capacity(daemon.ready["ingest"], microscope, images)
        for number in range(pairs):
            gaps_s = np.random.default_rng(number).exponential(1 / (capacity * load), frames)
            target = models[(number + 1) % 2]
            calm: list[TimedFrame] = []
            for swaps in (False, True) if number % 2 else (True, False):
                if swaps:
                    busy, swap = _swapped_run(
                        daemon.ready, microscope, images, gaps_s, (target, terms)
                    )
                else:
                    calm = timed_run(daemon.ready, microscope, images, gaps_s)
                on_step()
            same = _same_frames(calm, busy, swap)
            compared += same
            found.append(_pair(same, busy, swap))
    return SwapFigure(
        pairs=found,
        phases=_phases(compared),
        p99_percent=_percent([pair.p99_ms for pair in found]),
        pooled_p99_ms=_both([one.whole_ms for one in compared], 0.99),
        unpublished=sum(pair.unpublished for pair in found),
        turned_back=sum(pair.turned_back for pair in found),
        capacity_fps=round(capacity, 1),
        offered_fps=round(capacity * load, 1),
        frames=frames,
        size_px=microscope.settings.size_px,
    )


def write_twin(bundle: Path, folder: Path) -> Path:
    """The same model under another version, unsigned; the new folder."""
    loaded = load_bundle(bundle)
    content = json.loads(loaded.text)
    del content[SEAL]
    content["version"] = f"{content['version'][: _LONGEST_VERSION - 5]}-twin"
    folder.mkdir(parents=True)
    for name, data in loaded.files.items():
        (folder / name).write_bytes(data)
    (folder / MANIFEST).write_text(json.dumps(sealed(content)))
    return folder


def _swapped_run(
    endpoints: dict[str, Any],
    microscope: SimulatedMicroscope,
    images: Sequence[npt.NDArray[np.uint16]],
    gaps_s: npt.NDArray[np.float64],
    order: tuple[Path, Mapping[str, float | bool]],
) -> tuple[list[TimedFrame], _Watched]:
    """A run in which another model is loaded after its first frames, and that swap."""
    begin, over = threading.Event(), threading.Event()
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen >= len(gaps_s) * _CALM_SHARE:
            begin.set()

    with ThreadPoolExecutor(1, "bench-swap") as pool:
        asked = pool.submit(_swap, endpoints["control"], order, begin, over)
        try:
            frames = timed_run(endpoints, microscope, images, gaps_s, count)
        finally:
            begin.set()
            over.set()
        watched = asked.result()
    if watched.swap.get("state") != "serving":
        reason = watched.swap.get("reason") or "not over when the run was: more --frames are needed"
        raise EngineFault(f"bench swap: {watched.swap.get('state')}: {reason}")
    return frames, watched


def _swap(
    control_url: str,
    order: tuple[Path, Mapping[str, float | bool]],
    begin: threading.Event,
    over: threading.Event,
) -> _Watched:
    begin.wait()
    bundle, terms = order
    watched = _Watched()
    with Control(control_url, timeout_s=_ASK_TIMEOUT_S) as control:
        watched.states.append(("asked", time.monotonic_ns()))
        follow_swap(control, control.load_model(str(bundle), terms), watched.look, over)
    return watched


def _same_frames(
    calm: Sequence[TimedFrame], busy: Sequence[TimedFrame], swap: _Watched
) -> list[_Compared]:
    """Frames that arrived during the swap, beside those of the same numbers without one."""
    without = {frame.frame_seq: frame for frame in calm}
    return [
        _Compared(
            (without[frame.frame_seq].whole_ms, frame.whole_ms),
            (without[frame.frame_seq].added_ms, frame.added_ms),
            phase,
        )
        for frame in busy
        if (phase := swap.phase_of(frame)) is not None and frame.frame_seq in without
    ]


def _pair(same: Sequence[_Compared], busy: Sequence[TimedFrame], swap: _Watched) -> SwapPair:
    models = [frame.model for frame in sorted(busy, key=lambda frame: frame.frame_seq)]
    whole = [one.whole_ms for one in same]
    return SwapPair(
        p50_ms=_both(whole, 0.5),
        p99_ms=_both(whole, 0.99),
        added_p99_ms=_both([one.added_ms for one in same], 0.99),
        took_s=round((swap.states[-1][1] - swap.states[0][1]) / 1e9, 3),
        frames=len(same),
        unpublished=sum(frame.fate != "published" for frame in busy),
        turned_back=max(0, sum(a != b for a, b in pairwise(models)) - 1),
        by_model={name: models.count(name) for name in dict.fromkeys(models)},
    )


def _phases(compared: Sequence[_Compared]) -> list[PhaseFigure]:
    figures = []
    for phase in dict.fromkeys(one.phase for one in compared):
        whole = [one.whole_ms for one in compared if one.phase == phase]
        figures.append(PhaseFigure(phase, len(whole), _both(whole, 0.5), _both(whole, 0.99)))
    return figures


def _both(values: Sequence[tuple[float, float]], q: float) -> tuple[float, float]:
    """The same quantile without and with a swap; no frame is no figure."""
    if not values:
        raise EngineFault("bench swap: no frame arrived during the swap: more --load is needed")
    return quantile([a for a, _ in values], q), quantile([b for _, b in values], q)


def _percent(both: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """(median, lower quartile, upper quartile) of how much larger the second is, in %."""
    low, middle, high = np.quantile([100 * (b / a - 1) for a, b in both], (0.25, 0.5, 0.75))
    return round(float(middle), 1), round(float(low), 1), round(float(high), 1)
