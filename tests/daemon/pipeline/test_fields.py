"""Which field a frame is divided by, when a run's own one freezes, and that a replay gives the same."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from phenostream.daemon.backgrounds import BackgroundFacts, RecordedBackground
from phenostream.daemon.pipeline.entries import Arrival, Prepared, ReceivedFrame
from phenostream.daemon.pipeline.fields import PER_FRAME, Fields
from phenostream.daemon.pipeline.preparation import FramePath
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.detect import DetectorSettings
from phenostream.engine.errors import BadInput
from phenostream.engine.types import F32, SHOTS, Crops, Frame

StartMaker = Callable[..., Start]
FRAMES = 8


def _counts(seq: int, cells: int = 3, *, still: bool = False) -> tuple[Frame, ...]:
    """Discs that are bright toward the light, at other places in every frame, behind a speck of dust that stays."""
    rng = np.random.default_rng(0 if still else seq)
    y, x = np.mgrid[0:128, 0:128].astype(np.float32)
    slope = np.zeros((2, 128, 128), np.float32)
    for cy, cx in zip(rng.uniform(20, 108, cells), rng.uniform(20, 108, cells), strict=True):
        bell = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 30)
        slope += np.stack([x - cx, y - cy]) * bell
    noise = np.random.default_rng(seq).normal(0, 0.5, (4, 128, 128))
    shots = np.stack([slope[0], -slope[0], -slope[1], slope[1]]) * 6 + 120 + noise
    shots[:, 60:63, 70:73] *= 0.7
    return tuple(np.clip(shots, 0, 255).astype(np.uint8))


def _run(
    fields: Fields, start: Start, count: int, *, still: bool = False
) -> list[tuple[Prepared, Crops]]:
    path = FramePath(DetectorSettings(), 100, fields=fields)
    return [
        path.prepare(ReceivedFrame(Arrival(start, seq, 0, 0.0), _counts(seq, still=still)))
        for seq in range(count)
    ]


def test_a_frame_is_divided_by_its_own_surface_unless_told_otherwise(
    make_start: StartMaker,
) -> None:
    (prepared, _), *_ = _run(Fields(), make_start(), 1)
    assert prepared.field == PER_FRAME


def test_the_first_frames_are_told_from_those_after_the_freeze(make_start: StartMaker) -> None:
    states = [
        prepared.field
        for prepared, _ in _run(Fields("stream", stream_frames=FRAMES), make_start(), 11)
    ]
    assert [state.state for state in states] == ["estimating"] * FRAMES + ["frozen"] * 3
    assert [state.frames for state in states] == [*range(1, FRAMES + 1), *[FRAMES] * 3]
    assert {state.of for state in states} == {FRAMES}
    assert [state.id is None for state in states] == [True] * FRAMES + [False] * 3
    assert len({state.id for state in states[FRAMES:]}) == 1


def test_a_replay_gives_the_same_field_and_the_same_crops(make_start: StartMaker) -> None:
    once, again = (_run(Fields("stream", stream_frames=FRAMES), make_start(), 10) for _ in range(2))
    for (one, crops), (other, same) in zip(once, again, strict=True):
        assert one.field == other.field
        assert np.array_equal(crops.images, same.images)


def test_runs_have_their_own_fields_also_interleaved(make_start: StartMaker) -> None:
    fields, one, other = Fields("stream", stream_frames=FRAMES), make_start(), make_start()
    path = FramePath(DetectorSettings(), 100, fields=fields)
    told: dict[str, list[int]] = {one.run: [], other.run: []}
    for seq in range(4):
        for start in (one, other):
            arrival = Arrival(start, seq, 0, 0.0)
            prepared, _ = path.prepare(ReceivedFrame(arrival, _counts(seq)))
            told[start.run].append(prepared.field.frames)
    assert list(told.values()) == [[1, 2, 3, 4]] * 2


def test_cells_that_stand_still_are_not_divided_out(make_start: StartMaker) -> None:
    fields = Fields("stream", stream_frames=FRAMES)
    prepared = [one for one, _ in _run(fields, make_start(), 10, still=True)]
    assert [one.field.state for one in prepared[-2:]] == ["unusable"] * 2
    assert prepared[-1].field.id is None
    assert len(prepared[-1].detections) == len(prepared[0].detections) > 0


def test_frames_that_are_not_gathered_do_not_count_for_the_cells_that_move(
    make_start: StartMaker,
) -> None:
    path = FramePath(DetectorSettings(), 100, fields=Fields("stream", stream_frames=FRAMES))
    start, states = make_start(), []
    for seq in range(6 * FRAMES + 1):
        counts = _counts(seq, still=seq % 6 == 5)
        if seq % 6 < 5:  # the lamp of one shot is off
            counts = (*counts[:3], np.zeros_like(counts[3]))
        prepared, _ = path.prepare(ReceivedFrame(Arrival(start, seq, 0, 0.0), counts))
        assert len(prepared.detections) > 0
        states.append(prepared.field.state)
    assert states == ["estimating"] * (6 * FRAMES) + ["unusable"]


def test_the_longest_quiet_run_makes_room(make_start: StartMaker) -> None:
    fields = Fields("stream", stream_frames=FRAMES, most_runs=1)
    path = FramePath(DetectorSettings(), 100, fields=fields)
    one, other = make_start(), make_start()
    frames = []
    for start in (one, one, other, one):
        arrival = Arrival(start, 0, 0, 0.0)
        frames.append(path.prepare(ReceivedFrame(arrival, _counts(0)))[0].field.frames)
    assert frames == [1, 2, 1, 1]


def _recorded(start: Start, instrument: str = "scope") -> RecordedBackground:
    relative: F32 = np.ones((4, 128, 128), np.float32)
    relative[:, 60:63, 70:73] = 0.7
    facts = BackgroundFacts(
        instrument=instrument,
        pixel_size_um=start.pixel_size_um,
        dark_level=start.dark_level,
        white_level=start.white_level,
        dtype=start.dtype,
        height=start.height,
        width=start.width,
        shots=SHOTS,
        kernel="area",
        frames=9,
        synthetic=True,
    )
    return RecordedBackground(Path("scope.npz"), facts, relative, None)


def test_a_recorded_background_serves_every_frame(make_start: StartMaker) -> None:
    start = make_start()
    recorded = _recorded(start)
    results = _run(Fields("recorded", [recorded]), start, 2)
    background, _ = recorded.background(start, start.shots)
    for prepared, _ in results:
        assert (prepared.field.source, prepared.field.state) == ("recorded", "frozen")
        assert (prepared.field.frames, prepared.field.id) == (9, background.identity)


def test_an_instrument_without_a_background_is_refused_at_its_start(
    make_start: StartMaker,
) -> None:
    start = make_start()
    fields = Fields("recorded", [_recorded(start)])
    fields.check(start)
    with pytest.raises(BadInput, match=r"none of instrument other, there are scope"):
        fields.check(make_start(instrument="other"))
    with pytest.raises(BadInput, match=r"width: 130: background scope\.npz was made at 128"):
        fields.check(make_start(width=130))


def test_frames_too_large_to_be_gathered_are_refused_at_their_start(
    make_start: StartMaker,
) -> None:
    fields = Fields("stream", stream_frames=FRAMES)
    fields.check(make_start(width=4096, height=1024))
    with pytest.raises(BadInput, match="allowed 268435456"):
        fields.check(make_start(width=8192, height=4096))


@pytest.mark.parametrize("source", ["frame", "stream", "recorded"])
def test_a_run_keeps_no_reducer_alive(
    make_start: StartMaker, source: Literal["frame", "stream", "recorded"]
) -> None:
    start = make_start()
    recorded = [_recorded(start)] if source == "recorded" else []
    fields = Fields(source, recorded, stream_frames=FRAMES)
    path = FramePath(DetectorSettings(), 100, fields=fields)
    path.prepare(ReceivedFrame(Arrival(start, 0, 0, 0.0), _counts(0)))
    reducer = weakref.ref(path.optics(start)[0])
    del path
    assert reducer() is None
