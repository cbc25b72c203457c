"""The prepare thread: which cells go on, what happens to frames that cannot, when a batch leaves."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from phenostream.daemon.channel import Channel
from phenostream.daemon.channel_map import ChannelMap
from phenostream.daemon.pipeline.entries import Arrival, Entry, Passage, ReceivedFrame
from phenostream.daemon.pipeline.model_batches import ModelBatches
from phenostream.daemon.pipeline.preparation import FramePath, Preparation, strongest
from phenostream.daemon.quarantine import Quarantine
from phenostream.daemon.swap.models import Models
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.batcher import Batch
from phenostream.engine.detect import DetectorSettings
from phenostream.engine.types import SHOTS, Detections, Frame
from tests.daemon.conftest import toy_model

StartMaker = Callable[..., Start]


def detections(contrast: list[float], edge: list[bool]) -> Detections:
    n = len(contrast)
    zero = np.zeros(n, np.float32)
    return Detections(zero, zero, zero, np.array(contrast, np.float32), np.array(edge, bool))


@pytest.mark.parametrize(
    ("contrast", "edge", "most", "expected"),
    [
        ([], [], 3, []),
        ([1, 2, 3], [False] * 3, 3, [True] * 3),
        ([1, 3, 2], [False] * 3, 2, [False, True, True]),
        ([9, 3, 2], [True, False, False], 1, [False, True, False]),
        ([5, 5, 5], [False] * 3, 2, [True, True, False]),
    ],
)
def test_the_strongest_cells_within_the_limit_are_seen(
    contrast: list[float], edge: list[bool], most: int, expected: list[bool]
) -> None:
    assert strongest(detections(contrast, edge), most).tolist() == expected


def shaded(cells: int) -> Frame:
    """A grey frame with `cells` small discs that are bright toward the light."""
    y, x = np.mgrid[0:128, 0:128].astype(np.float32)
    slope_x, slope_y = np.zeros_like(x), np.zeros_like(y)
    for cell in range(cells):
        cy, cx = 30 + 40 * (cell // 2), 30 + 60 * (cell % 2)
        bell = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 30)
        slope_x, slope_y = slope_x + (x - cx) * bell, slope_y + (y - cy) * bell
    noise = np.random.default_rng(1).normal(0, 0.5, (4, 128, 128))
    shots = np.stack([slope_x, -slope_x, -slope_y, slope_y]) * 6 + 120 + noise
    return np.clip(shots, 0, 255).astype(np.uint8)


@dataclass
class Stage:
    """A prepare stage with open ends."""

    folder: Path
    max_cells: int = 100
    max_wait_s: float = 60.0
    frames: Channel[ReceivedFrame] = field(default_factory=lambda: Channel(10))
    entries: Channel[Entry] = field(default_factory=lambda: Channel(10))

    def __post_init__(self) -> None:
        self.batches: Channel[Batch[Passage]] = Channel(10, on_starved=self.frames.nudge)

    def run(self) -> None:
        path = FramePath(DetectorSettings(), self.max_cells)
        Preparation(
            path,
            ModelBatches(Models(toy_model(max_batch=2)), self.max_wait_s),
            Quarantine(self.folder, 1 << 20),
            self.frames,
            self.batches,
            self.entries,
        ).run(lambda: None)

    def put(self, start: Start, seq: int, counts: Frame) -> ReceivedFrame:
        received = ReceivedFrame(Arrival(start, seq, 0, 0.0), tuple(counts))
        self.frames.put(received)
        return received


def test_cells_leave_in_batches_and_the_last_one_at_the_end(
    tmp_path: Path, make_start: StartMaker
) -> None:
    stage = Stage(tmp_path)
    received = stage.put(make_start(), 0, shaded(3))
    stage.frames.close()
    stage.run()
    batches = stage.batches.take_all()
    assert [len(batch) for batch in batches] == [2, 1]
    assert received.counts is None
    prepared = batches[0].parts[0].token.prepared
    assert prepared is not None
    assert len(prepared.detections) == 3


@pytest.mark.parametrize("order", list(itertools.permutations(SHOTS))[::5])
def test_the_order_in_which_shots_come_changes_nothing(
    make_start: StartMaker, order: tuple[str, ...]
) -> None:
    path = FramePath(DetectorSettings(), 100)
    frame = shaded(3)
    _, expected = path.prepare(ReceivedFrame(Arrival(make_start(), 0, 0, 0.0), tuple(frame)))
    sent = tuple(frame[SHOTS.index(shot)] for shot in order)
    start = make_start(shots=order)
    _, crops = path.prepare(ReceivedFrame(Arrival(start, 0, 0, 0.0), sent))
    assert len(crops) == 3
    assert np.array_equal(crops.images, expected.images)


def test_a_channel_map_makes_swapped_shots_right_without_a_word_from_the_source(
    make_start: StartMaker,
) -> None:
    maps = {"scope": ChannelMap(left="right", right="left")}
    path, right = FramePath(DetectorSettings(), 100, channel_maps=maps), make_start()
    frame = shaded(3)
    plain = FramePath(DetectorSettings(), 100)
    _, expected = plain.prepare(ReceivedFrame(Arrival(right, 0, 0, 0.0), tuple(frame)))
    swapped = tuple(frame[[1, 0, 2, 3]])
    prepared, crops = path.prepare(ReceivedFrame(Arrival(right, 0, 0, 0.0), swapped))
    assert np.array_equal(crops.images, expected.images)
    assert prepared.true_shots == ("right", "left", "top", "bottom")


def test_cells_stay_together_while_the_engine_is_busy_and_leave_when_it_asks(
    tmp_path: Path, make_start: StartMaker
) -> None:
    stage = Stage(tmp_path, max_wait_s=0.0)
    thread = threading.Thread(target=stage.run, daemon=True)
    thread.start()
    for seq in range(3):
        stage.put(make_start(), seq, shaded(1))
    while not len(stage.batches):
        assert thread.is_alive()
    assert [len(batch) for batch in (stage.batches.get(20), stage.batches.get(20)) if batch] == [
        2,
        1,
    ]
    stage.frames.close()
    thread.join(20)


def test_an_idle_engine_gets_the_cells_at_once(tmp_path: Path, make_start: StartMaker) -> None:
    stage = Stage(tmp_path)
    got: list[Batch[Passage] | None] = []
    consumer = threading.Thread(target=lambda: got.append(stage.batches.get(30)))
    consumer.start()
    while not stage.batches.starved:
        assert consumer.is_alive()
    thread = threading.Thread(target=stage.run, daemon=True)
    stage.put(make_start(), 0, shaded(1))
    thread.start()
    consumer.join(20)
    assert got[0] is not None
    assert len(got[0]) == 1
    stage.frames.close()
    thread.join(20)


def test_a_frame_without_cells_goes_straight_to_its_fate(
    tmp_path: Path, make_start: StartMaker
) -> None:
    stage = Stage(tmp_path)
    stage.put(make_start(), 0, shaded(0))
    stage.frames.close()
    stage.run()
    (entry,) = stage.entries.take_all()
    assert isinstance(entry, Passage)
    assert entry.failure is None
    assert entry.outputs() is None


def test_a_frame_the_engine_refuses_is_quarantined_with_its_pixels(
    tmp_path: Path, make_start: StartMaker
) -> None:
    stage = Stage(tmp_path)
    stage.put(make_start(), 0, np.zeros((4, 128, 127), np.uint8))
    stage.put(make_start(), 1, shaded(0))
    stage.frames.close()
    stage.run()
    bad, good = stage.entries.take_all()
    assert isinstance(bad, Passage)
    assert isinstance(good, Passage)
    assert bad.failure is not None
    assert bad.failure[0] == "quarantined"
    assert good.failure is None
    (kept,) = tmp_path.glob("*.frame")
    assert kept.stat().st_size == 4 * 128 * 127


def test_a_frame_our_own_code_fails_on_is_failed_and_the_next_one_served(
    tmp_path: Path, make_start: StartMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path)
    prepare = FramePath.prepare

    def sometimes(path: FramePath, received: ReceivedFrame) -> object:
        if received.arrival.frame_seq == 0:
            raise IndexError("off by one")
        return prepare(path, received)

    monkeypatch.setattr(FramePath, "prepare", sometimes)
    for seq in range(2):
        stage.put(make_start(), seq, shaded(0))
    stage.frames.close()
    stage.run()
    first, second = stage.entries.take_all()
    assert isinstance(first, Passage)
    assert isinstance(second, Passage)
    assert first.failure == ("failed", "prepare: IndexError: off by one")
    assert second.failure is None


def test_the_optics_of_many_cameras_are_kept(make_start: StartMaker) -> None:
    path = FramePath(DetectorSettings(), 100)
    starts = [make_start(pixel_size_um=0.2 + 0.01 * n) for n in range(32)]
    first = [path.optics(start) for start in starts]
    assert all(path.optics(start) == made for start, made in zip(starts, first, strict=True))


def test_the_optics_of_large_frames_are_let_go_by_their_size(make_start: StartMaker) -> None:
    path = FramePath(DetectorSettings(), 100)
    small, large = make_start(), [make_start(height=5000 + n, width=5000) for n in range(3)]
    kept = path.optics(small)
    made = [path.optics(start) for start in large]
    assert path.optics(large[2]) == made[2]
    assert path.optics(large[0]) != made[0]
    assert path.optics(small) != kept
