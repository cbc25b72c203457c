"""Makes a background from recordings: the median light of an empty field, checked for what would spoil results.

Composes the recording's reader, the frame path's reduction and the engine's background; prints nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from phenostream.daemon.backgrounds import BackgroundFacts, RecordedBackground
from phenostream.daemon.recordings.frames import RecordedFrames
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.background import (
    LEAST_FRAMES,
    BackgroundStack,
    of_empty_field,
    smooth_surface,
)
from phenostream.engine.detect import Detector
from phenostream.engine.errors import BadInput
from phenostream.engine.frame_checks import LEAST_LEVEL, MOST_SATURATED, saturated_shares
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import F32, SHOTS, ReductionKernel

Range = tuple[float, float]
_LEAST_RELATIVE = 0.1
_SAME = ("instrument", "pixel_size_um", "dark_level", "white_level", "dtype", "height", "width")


def make_background(
    recording: Path,
    out: Path,
    dark: Path | None,
    kernel: ReductionKernel,
    most_frames: int,
    on_frame: Callable[[], object] = lambda: None,
) -> tuple[RecordedBackground, dict[str, Range]]:
    """Make a background from the first run of a recording.

    Args:
        recording: Of an empty field; 8 frames or more.
        out: Where it shall be written.
        dark: The same camera with the light off, or None.
        kernel: Of the model that it shall serve.
        most_frames: Use so many.
        on_frame: Called after every frame.

    Returns:
        The background, and for every shot the lowest and highest value relative to its mean.

    Raises:
        BadInput: Another camera in the dark, too few frames, no light, saturated, or cells that stand still.
    """
    with _frames(recording) as (start, light_of):
        reducer = Reducer(
            start.camera, (start.height, start.width), kernel=kernel, shots=start.shots
        )
        shape = (len(start.shots), *reducer.reduced_shape)
        stack = BackgroundStack(shape, most_frames)
        covered, dark_frames = _dark(dark, start, reducer, most_frames, on_frame)
        for counts in islice(light_of, stack.wanted):
            stack.add(_lit(reducer.light(counts), covered, recording))
            on_frame()
    if len(stack) < LEAST_FRAMES:
        raise BadInput(f"{recording}: {len(stack)} whole frames, at least {LEAST_FRAMES}")
    median = stack.median()
    _refuse_cells(median, reducer, recording)
    background = of_empty_field(median, covered)
    announced = [shot for shot in SHOTS if shot in start.shots]
    facts = BackgroundFacts(
        **{key: getattr(start, key) for key in _SAME},
        shots=tuple(announced),
        kernel=kernel,
        frames=len(stack),
        dark_frames=dark_frames,
        synthetic=start.synthetic,
    )
    ranges: dict[str, Range] = {
        shot: (float(one.min()), float(one.max()))
        for shot, one in zip(announced, background.relative, strict=True)
    }
    return RecordedBackground(out, facts, background.relative, covered), ranges


@contextmanager
def _frames(path: Path) -> Iterator[tuple[Start, Iterator[tuple[np.ndarray, ...]]]]:
    """START of the first run of a recording, and the counts of its whole frames."""
    with RecordingReader(path) as reader:
        frames = iter(RecordedFrames(reader))
        first = next(frames, None)
        if first is None:
            raise BadInput(f"{path}: holds no whole frame")
        run = first.start.run

        def counts() -> Iterator[tuple[np.ndarray, ...]]:
            yield first.counts
            yield from (frame.counts for frame in frames if frame.start.run == run)

        yield first.start, counts()


def _dark(
    path: Path | None,
    start: Start,
    reducer: Reducer,
    most_frames: int,
    on_frame: Callable[[], object],
) -> tuple[F32 | None, int]:
    """(h, w) what the covered camera sees beyond START's dark level, and of how many frames; all shots alike."""
    if path is None:
        return None, 0
    total, count = np.zeros(reducer.reduced_shape, np.float64), 0
    with _frames(path) as (covered, frames):
        for key in _SAME:
            mine, theirs = getattr(start, key), getattr(covered, key)
            if mine != theirs:
                raise BadInput(f"{path}: {key}: {theirs}, the bright recording has {mine}")
        if covered.shots != start.shots:
            raise BadInput(
                f"{path}: shots: {covered.shots}, the bright recording has {start.shots}"
            )
        for counts in islice(frames, most_frames):
            total += reducer.light(counts).mean(axis=0)
            count += 1
            on_frame()
    if count < LEAST_FRAMES:
        raise BadInput(f"{path}: {count} whole frames, at least {LEAST_FRAMES}")
    return (total / count).astype(np.float32), count


def _lit(light: F32, covered: F32 | None, path: Path) -> F32:
    """One bright frame without its dark.

    Raises:
        BadInput: It is not brighter than the dark, or saturated.
    """
    if (saturated_shares(light) >= MOST_SATURATED).any():
        raise BadInput(f"{path}: a shot is saturated; lower the light or the exposure")
    if covered is not None:
        light -= covered
    level = float(np.median(light, axis=(1, 2)).min())
    if level < LEAST_LEVEL:
        beyond = "the dark recording" if covered is not None else "dark_level"
        raise BadInput(
            f"{path}: a shot is {100 * level:.1f} % of full scale above {beyond}, at least {100 * LEAST_LEVEL:g} %"
        )
    return light


def _refuse_cells(median: F32, reducer: Reducer, path: Path) -> None:
    """What is in all frames would be divided out of every frame to come."""
    surface = smooth_surface(median)
    standing = len(Detector(reducer.reduced_shape).detect(reducer.flatten(median.copy(), surface)))
    if standing:
        raise BadInput(
            f"{path}: {standing} cells or specks that look like cells are in the median of its frames; record an "
            "empty place, or move the stage between frames"
        )
    lowest = float((median / median.mean(axis=(1, 2), keepdims=True)).min())
    if lowest < _LEAST_RELATIVE:
        raise BadInput(
            f"{path}: a place has {100 * lowest:.0f} % of the mean light, at least {100 * _LEAST_RELATIVE:.0f} %"
        )
