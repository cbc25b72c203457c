"""Reads recordings for `check-orientation`: the dipoles of every run's cells, and the verdict on each run.

Composes the recording's reader, the frame path's reduction and the engine's diagnosis; prints nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from phenostream.daemon.channel_map import NO_MAPS, ChannelMaps, true_shots
from phenostream.daemon.recordings.frames import RecordedFrames
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.errors import BadInput
from phenostream.engine.optics.diagnosis import diagnose
from phenostream.engine.optics.dipole_sums import DipoleSums, MeanDipoles
from phenostream.engine.optics.dipoles import measure_dipoles
from phenostream.engine.optics.orientation import Orientation
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import SHOTS


@dataclass(frozen=True, slots=True)
class RunOrientation:
    """The verdict on one run of a recording.

    Attributes:
        path: The recording.
        start: The run's START.
        taken_for: What its shots were taken for, in the order of the data: as announced, or by a channel map.
        frames: Frames that were looked at.
        mean: The mean dipoles and the mean cell.
        orientation: The verdict, on the shots as they were taken.
    """

    path: Path
    start: Start
    taken_for: tuple[str, ...]
    frames: int
    mean: MeanDipoles
    orientation: Orientation

    def channel_map(self) -> dict[str, str] | None:
        """The map that the configuration needs, for all four shots; None where none is needed or can help."""
        found = self.orientation.channel_map
        if found is None:
            return None
        taken = dict(zip(self.start.shots, self.taken_for, strict=True))
        whole = {shot: found[taken.get(shot, shot)] for shot in SHOTS}
        return whole if len(set(whole.values())) == len(SHOTS) else dict(found)

    def toml(self) -> str | None:
        """The same as the table to paste into the configuration."""
        whole = self.channel_map()
        if whole is None:
            return None
        lines = [f'{shot} = "{truth}"' for shot, truth in whole.items() if shot != truth]
        return "\n".join([f"[ingest.channel_map.{_key(self.start.instrument)}]", *lines])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "recording": str(self.path),
            "run": self.start.run,
            "instrument": self.start.instrument,
            "announced": self.start.shots,
            "taken_for": self.taken_for,
            "frames": self.frames,
            "synthetic": self.start.synthetic,
            **self.orientation.as_dict(),
            "channel_map": self.channel_map(),
            "toml": self.toml(),
        }


@dataclass(slots=True)
class _Run:
    start: Start
    taken_for: tuple[str, ...]
    reducer: Reducer
    sums: DipoleSums = field(default_factory=DipoleSums)
    frames: int = 0


def check_recording(
    path: Path,
    most_frames: int,
    maps: ChannelMaps = NO_MAPS,
    on_position: Callable[[int], object] = lambda _position: None,
) -> list[RunOrientation]:
    """Judge every run of a recording.

    Args:
        path: The recording; where it is damaged, what is whole counts.
        most_frames: Look at the first so many frames.
        maps: Channel maps of a configuration, to be tried.
        on_position: Called with the byte reached after every frame.

    Raises:
        BadInput: Not a recording, or without a whole frame.
    """
    runs: dict[str, _Run] = {}
    with RecordingReader(path, tolerant=True) as reader:
        frames = RecordedFrames(reader)
        for frame in islice(frames, most_frames):
            run = runs.get(frame.start.run)
            if run is None:
                run = runs[frame.start.run] = _begun(frame.start, maps)
            run.sums.add(measure_dipoles(run.reducer.reduce(frame.counts)))
            run.frames += 1
            on_position(reader.position)
    if not runs:
        broken = f", {frames.broken} broken messages" if frames.broken else ""
        raise BadInput(f"{path}: holds no whole frame{broken}")
    return [_judged(path, run) for run in runs.values()]


def _begun(start: Start, maps: ChannelMaps) -> _Run:
    taken_for = true_shots(start, maps)
    return _Run(
        start, taken_for, Reducer(start.camera, (start.height, start.width), shots=taken_for)
    )


def _judged(path: Path, run: _Run) -> RunOrientation:
    mean = run.sums.mean()
    told = diagnose(mean, run.taken_for)
    return RunOrientation(path, run.start, run.taken_for, run.frames, mean, told)


def _key(name: str) -> str:
    """A TOML key; quoted where a bare one is not allowed (a dot would begin a table)."""
    return f'"{name}"' if "." in name else name
