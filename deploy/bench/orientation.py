"""How often `check-orientation` and the light's balance are right, on simulated frames with and without a fault.

Every frame is new: other cells (a fresh bank every 50 frames), other exposure, shading and noise, cells up to 3 or 4 µm
out of focus on either side. All of it is synthetic.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np

from phenostream.deploy.bench.wiring import MOVED, WIRING, Counts, Make
from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.camera import CameraSettings
from phenostream.engine.optics.diagnosis import diagnose
from phenostream.engine.optics.dipole_sums import DipoleSums
from phenostream.engine.optics.dipoles import measure_dipoles
from phenostream.engine.optics.orientation_window import OrientationWindow
from phenostream.engine.optics.presets import PRESETS, Preset
from phenostream.engine.optics.rendering import BankSpec, CellBank, render_bank
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings
from phenostream.engine.reduce import Reducer
from phenostream.engine.summary.facts import wilson_interval
from phenostream.engine.types import Camera, Reduced

PIXEL_UM: Final = 0.343
SIDE_PX: Final = 512
FRAMES_A_BANK: Final = 50
_OBJECTS_A_BANK: Final = 60
_LEAST_COUNTS, _MOST_COUNTS = 150.0, 3000.0
_GOOD_FRAMES, _SWAPPED_FRAMES = 60, 160
_SWAPPED: Final = "left and right swapped"


@dataclass(frozen=True, slots=True)
class Share:
    """A share of frames with its 95 % interval (Wilson)."""

    count: int
    of: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        low, high = wilson_interval(self.count, self.of)
        share = self.count / self.of
        return {"count": self.count, "of": self.of, "share": share, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class FaultRow:
    """What became of the frames of one preset with one fault.

    Attributes:
        fault: What was done to them.
        preset: Of the simulator.
        right: Every shot taken for what it is, and the fault called by its name. None for a fault that only the light
            shows.
        undecided: Not enough to tell.
        wrong: Another verdict.
        flagged: `residual_high`.
    """

    fault: str
    preset: Preset
    right: Share | None
    undecided: Share | None
    wrong: Share | None
    flagged: Share

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        told = {
            name: share.as_dict() if share else None
            for name in ("right", "undecided", "wrong", "flagged")
            for share in [getattr(self, name)]
        }
        return {"fault": self.fault, "preset": self.preset, **told}


@dataclass(frozen=True, slots=True)
class StreamRow:
    """Runs that were followed live: 60 good frames, then left and right change places for 160.

    Attributes:
        preset: Of the simulator.
        false_alarm: Runs that ever showed a fault while there was none.
        decided: Runs that were known to be right after 10 frames.
        named: Runs whose swap was named, and called nothing else on the way.
        frames_to_name: Median of the frames from the swap to its name.
    """

    preset: Preset
    false_alarm: Share
    decided: Share
    named: Share
    frames_to_name: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        told = {name: getattr(self, name).as_dict() for name in ("false_alarm", "decided", "named")}
        return {"preset": self.preset, **told, "frames_to_name": self.frames_to_name}


@dataclass(frozen=True, slots=True)
class OrientationFigure:
    """Everything that was measured; synthetic."""

    frames: int
    cells: int
    seed: int
    faults: tuple[FaultRow, ...]
    streams: tuple[StreamRow, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "synthetic": True,
            "frames": self.frames,
            "cells": self.cells,
            "seed": self.seed,
            "faults": [row.as_dict() for row in self.faults],
            "streams": [row.as_dict() for row in self.streams],
        }


@dataclass(frozen=True, slots=True)
class OrientationPlan:
    """What to measure.

    Attributes:
        frames: Of each preset, for every fault.
        streams: Of each preset.
        cells: Objects in a frame; 20 of them give 13 to 18 whole cells.
        seed: Another seed, other frames.
    """

    frames: int = 500
    streams: int = 20
    cells: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.frames < 1 or self.streams < 0:
            raise BadConfig(
                f"--frames {self.frames}, --streams {self.streams}: allowed 1, 0 or more"
            )
        if not 1 <= self.cells <= 200:
            raise BadConfig(f"--cells {self.cells}: allowed 1 to 200")
        if not 0 <= self.seed < 2**31:
            raise BadConfig(f"--seed {self.seed}: allowed 0 to 2^31 - 1")

    @property
    def steps(self) -> int:
        """Calls of `on_step`."""
        return len(PRESETS) * (self.frames + self.streams)


def measure_orientation(
    plan: OrientationPlan, on_step: Callable[[], object] = lambda: None
) -> OrientationFigure:
    """Simulate, break, judge and count.

    Args:
        plan: How much of it.
        on_step: Called after every frame and every stream.
    """
    cv2.setNumThreads(1)
    faults, streams = [], []
    for preset in PRESETS:
        faults += _fault_rows(plan, preset, on_step)
        if plan.streams:
            streams.append(_stream_row(plan, preset, on_step))
    return OrientationFigure(plan.frames, plan.cells, plan.seed, tuple(faults), tuple(streams))


def _fault_rows(
    plan: OrientationPlan, preset: Preset, on_step: Callable[[], object]
) -> list[FaultRow]:
    tallies = {fault: _Tally() for fault in (*WIRING, *MOVED)}
    for seq, simulator in enumerate(_simulators(plan, preset, plan.frames)):
        counts, reducer = simulator.frame(seq).counts, _reducer(simulator.camera)
        rng = np.random.default_rng([plan.seed, PRESETS.index(preset), seq])
        for fault, make in {**WIRING, **MOVED}.items():
            tallies[fault].add(make, counts, reducer, rng)
        on_step()
    return [tally.row(fault, preset, judged=fault in WIRING) for fault, tally in tallies.items()]


@dataclass(slots=True)
class _Tally:
    frames: int = 0
    right: int = 0
    undecided: int = 0
    flagged: int = 0

    def add(self, make: Make, counts: Counts, reducer: Reducer, rng: np.random.Generator) -> None:
        faulty = make(counts, rng)
        reduced = reducer.reduce(np.ascontiguousarray(faulty.counts))
        sums = DipoleSums()
        sums.add(measure_dipoles(reduced))
        told = diagnose(sums.mean())
        found = tuple(shot.truth for shot in told.shots)
        self.frames += 1
        self.right += told.fault == faulty.fault and found == faulty.truths
        self.undecided += not told.decided
        self.flagged += reduced.flags.residual_high

    def row(self, fault: str, preset: Preset, *, judged: bool) -> FaultRow:
        wrong = self.frames - self.right - self.undecided
        shares = [Share(n, self.frames) for n in (self.right, self.undecided, wrong)]
        right, undecided, other = shares if judged else (None, None, None)
        return FaultRow(fault, preset, right, undecided, other, Share(self.flagged, self.frames))


def _stream_row(plan: OrientationPlan, preset: Preset, on_step: Callable[[], object]) -> StreamRow:
    false_alarms = decided = named = 0
    waits: list[int] = []
    for simulator in _simulators(plan, preset, plan.streams, stream=True):
        good, swapped = _followed(simulator)
        false_alarms += bool(set(good) - {"ok", "undecided"})
        decided += good[10] == "ok"
        faults = [state for state in swapped if state not in ("ok", "undecided")]
        if set(faults) == {"left_right_swapped"}:
            named += 1
            waits.append(swapped.index("left_right_swapped"))
        on_step()
    of = plan.streams
    wait = float(np.median(waits)) if waits else None
    return StreamRow(preset, Share(false_alarms, of), Share(decided, of), Share(named, of), wait)


def _followed(simulator: FrameSimulator) -> tuple[list[str], list[str]]:
    """What was said of each frame, before and after the swap."""
    window, reducer, states = OrientationWindow(), _reducer(simulator.camera), []
    rng = np.random.default_rng(0)
    for seq in range(_GOOD_FRAMES + _SWAPPED_FRAMES):
        states.append(window.state)
        if not window.wants_next():
            continue
        counts = simulator.frame(seq).counts
        if seq >= _GOOD_FRAMES:
            counts = WIRING[_SWAPPED](counts, rng).counts
        window.look(_reduced(reducer, counts))
    return list(states[:_GOOD_FRAMES]), list(states[_GOOD_FRAMES:])


def _reduced(reducer: Reducer, counts: Counts) -> Reduced:
    return reducer.reduce(np.ascontiguousarray(counts))


def _simulators(
    plan: OrientationPlan, preset: Preset, count: int, *, stream: bool = False
) -> Iterator[FrameSimulator]:
    """One simulated microscope for each frame or stream; each has its own exposure, shading and gains."""
    bank: CellBank | None = None
    first = (1 + plan.seed) * 1_000_000 + (500_000 if stream else 0)
    per_bank = FRAMES_A_BANK // 10 if stream else FRAMES_A_BANK
    for number in range(count):
        if bank is None or number % per_bank == 0:
            bank = render_bank(
                BankSpec(first + number, _OBJECTS_A_BANK, preset, "simulate", PIXEL_UM)
            )
        rng = np.random.default_rng([first + number, PRESETS.index(preset)])
        counts = float(np.exp(rng.uniform(np.log(_LEAST_COUNTS), np.log(_MOST_COUNTS))))
        camera = CameraSettings(background_counts=counts, shading_sd=float(rng.uniform(0, 0.04)))
        scene = SceneSettings(SIDE_PX, SIDE_PX, PIXEL_UM, preset, plan.cells, camera)
        yield FrameSimulator(scene, bank, first + number)


def _reducer(camera: Camera) -> Reducer:
    return Reducer(camera, (SIDE_PX, SIDE_PX))
