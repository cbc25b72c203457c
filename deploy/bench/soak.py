"""Whether a daemon stays the same over very many frames: resident memory, descriptors and threads.

Small frames go through the whole daemon on the fake backend, so that a frame costs little and everything that is done
once a frame is done very often. The first half is warm-up; from the middle on, memory may not grow by more than
`MOST_MIB` per 10,000 frames, and descriptors and threads must stay as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.run_id import new_run_id
from phenostream.deploy.child import PROGRAM, DaemonChild, child_settings
from phenostream.deploy.microscope import (
    MicroscopeSettings,
    SimulatedMicroscope,
    cache_folder,
)
from phenostream.engine.errors import BadConfig
from phenostream.engine.types import REDUCED_PIXEL_UM

MOST_MIB: Final = 1.0
"""Per 10,000 frames, from the middle on."""
LEAST_FRAMES: Final = 2000
SAMPLES: Final = 120
_DISTINCT_FRAMES: Final = 8
_PER: Final = 10_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The daemon's process when so many frames were handed over."""

    frames: int
    resident_mib: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Soak:
    """What was seen.

    Attributes:
        slope_mib: Growth of resident memory per 10,000 frames, from the middle on: least squares.
        descriptors: Medians of the third and of the last quarter.
        threads: Likewise.
        ledger: The run's account at its end.
    """

    samples: tuple[Sample, ...]
    slope_mib: float
    descriptors: tuple[float, float]
    threads: tuple[float, float]
    ledger: dict[str, int]

    @property
    def breaches(self) -> list[str]:
        """What must not be, one line each; empty when all is well."""
        found = []
        if self.slope_mib > MOST_MIB:
            found.append(
                f"memory grows by {self.slope_mib:.2f} MiB per 10,000 frames, allowed {MOST_MIB:g}"
            )
        for name, (before, after) in (("descriptors", self.descriptors), ("threads", self.threads)):
            if after != before:
                found.append(f"{name}: {before:g} in the third quarter, {after:g} in the last")
        if self.ledger["published"] != self.ledger["announced"]:
            found.append(f"published {self.ledger['published']} of {self.ledger['announced']}")
        return found

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "breaches": self.breaches}


def small_microscope(size_px: int = 128, cells: int = 4) -> SimulatedMicroscope:
    """Of frames that cost little: the reduced pixel is the camera's."""
    settings = MicroscopeSettings(
        size_px=size_px, pixel_size_um=REDUCED_PIXEL_UM, cells=cells, preset="hard"
    )
    return SimulatedMicroscope(settings, cache_folder())


def measure_soak(
    bundle_name: str,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    frames: int,
    program: tuple[str, ...] = PROGRAM,
    on_frame: Callable[[], object] = lambda: None,
) -> Soak:
    """Send one long run, and look at the daemon's process on the way.

    Args:
        bundle_name: Path of a model bundle, or ``demo``; the fake backend reads no more than its manifest.
        microscope: Of small frames.
        folder: For the daemon; its journal takes some KiB a frame.
        frames: At least `LEAST_FRAMES`.
        program: What runs the daemon's command line.
        on_frame: Called with every acknowledgement.

    Raises:
        BadConfig: Too few frames.
        PhenostreamError: As `Sender`.
    """
    if frames < LEAST_FRAMES:
        raise BadConfig(f"--frames {frames}: allowed {LEAST_FRAMES} or more")
    images = [microscope.frame(seq) for seq in range(_DISTINCT_FRAMES)]
    settings = child_settings(bundle_name) + 'backend = "fake"\n'
    samples: list[Sample] = []
    every = frames // SAMPLES or 1
    with (
        DaemonChild(folder, settings, program) as daemon,
        Sender(daemon.ready["ingest"], microscope.settings.instrument) as sender,
    ):
        sender.on_ack = lambda ack: _ignored(on_frame())
        sender.start(microscope.start(new_run_id(), frames))
        for seq in range(frames):
            sender.send(seq, images[seq % _DISTINCT_FRAMES])
            if seq % every == every - 1:
                look = (daemon.resident_mib, daemon.descriptors, daemon.threads)
                samples.append(Sample(seq + 1, *look))
        return judged(samples, sender.finish(frames).ledger)


def judged(samples: Sequence[Sample], ledger: dict[str, int]) -> Soak:
    """Look at the second half of the samples."""
    second = samples[len(samples) // 2 :]
    third, last = second[: len(second) // 2], second[len(second) // 2 :]
    slope = np.polyfit([s.frames for s in second], [s.resident_mib for s in second], 1)[0]
    return Soak(
        samples=tuple(samples),
        slope_mib=round(float(slope) * _PER, 4),
        descriptors=(median(s.descriptors for s in third), median(s.descriptors for s in last)),
        threads=(median(s.threads for s in third), median(s.threads for s in last)),
        ledger=ledger,
    )


def _ignored(_value: object) -> None:
    """A callback's value is nobody's."""
