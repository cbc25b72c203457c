"""Cells of two models never travel in one batch, and a frame whose model has no backend left goes to the other one."""

from collections.abc import Callable

import numpy as np
import pytest

from phenostream.daemon.pipeline.entries import Arrival, Inferred, Passage, Prepared
from phenostream.daemon.pipeline.hand_over import handed_over
from phenostream.daemon.pipeline.model_batches import ModelBatches
from phenostream.daemon.swap.models import Models
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.batcher import Batch, Batcher
from phenostream.engine.types import Crops, Detections
from tests.daemon.conftest import toy_model

StartMaker = Callable[..., Start]


def crops(cells: int, seed: int = 0) -> Crops:
    images = np.random.default_rng(seed).random((cells, 4, 28, 28), np.float32)
    return Crops(images, np.full((cells, 4), 0.5, np.float32))


def prepared(cells: int) -> Prepared:
    zero, no = np.zeros(cells, np.float32), np.zeros(cells, bool)
    return Prepared(Detections(zero, zero, zero, zero, no), ~no, 1.0, 0.0, 1.0, 2.0)


def test_cells_that_wait_leave_before_those_of_the_next_model(make_start: StartMaker) -> None:
    old, new = toy_model(max_batch=8), toy_model(max_batch=4)
    models = Models(old)
    gathered = ModelBatches(models, 60.0)
    sent: list[Batch[Passage]] = []
    start = make_start()

    def frame(seq: int, cells: int) -> None:
        passage = gathered.given(Arrival(start, seq, 0, 0.0), prepared(cells))
        gathered.add(passage, crops(cells), 0.0, sent.append)

    frame(0, 3)
    models.flip(new, "better")
    frame(1, 2)  # prepared before anybody looked
    assert sent == []
    (told,) = gathered.follow(sent.append)
    assert (told.before, told.after) == (old, new)
    frame(2, 5)
    gathered.flush(sent.append)
    assert [len(batch) for batch in sent] == [5, 4, 1]  # batches as large as the model takes
    by = [{part.token.model for part in batch.parts} for batch in sent]
    assert by == [{old}, {new}, {new}]
    assert gathered.follow(sent.append) == []


def passages(start: Start, models: Models, cells: list[int]) -> list[Passage]:
    made = []
    for seq, count in enumerate(cells):
        models.enter(models.serving)
        passage = Passage(Arrival(start, seq, 0, 0.0), prepared(count), model=models.serving)
        made.append(passage)
    return made


@pytest.mark.parametrize("standby", [True, False])
def test_whole_frames_go_to_the_model_that_stands_by(make_start: StartMaker, standby: bool) -> None:
    old, new = toy_model(), toy_model()
    models = Models(old)
    models.flip(new, "better")
    models.take_flips()
    if not standby:
        assert models.let_go(0.0) is old
    frames = passages(make_start(), models, [2, 4, 3])
    batcher: Batcher[Passage] = Batcher(8, 60.0)
    sets = [crops(2, 1), crops(4, 2), crops(3, 3)]
    batches = [
        batch
        for frame, one in zip(frames, sets, strict=True)
        for batch in batcher.add(frame, one.images, one.background, 0.0)
    ]
    (batch,) = batches  # the third frame lies in two batches
    rest, lost = handed_over(batch, models, new)
    if not standby:
        assert (rest, lost) == (None, batch.parts)
        return
    assert rest is not None
    assert [part.token for part in lost] == [frames[2]]
    assert [part.token for part in rest.parts] == frames[:2]
    assert [frame.model for frame in frames] == [old, old, new]
    inferred = Inferred(FakeBackend().infer(rest.images, rest.background), old.engines.serving)
    for part in rest.parts:
        assert part.token.place(part, inferred, 0.0, 1.0)
    for frame, one in zip(frames[:2], sets, strict=False):
        alone = FakeBackend().infer(one.images, one.background)
        together = frame.outputs()
        assert together is not None
        np.testing.assert_array_equal(together.marker_z, alone.marker_z)
    assert models.let_go(0.0) is None
    for frame in frames:
        assert frame.model is not None
        models.leave(frame.model)
    assert models.done(old) == 2
    assert models.done(new) == 1


def test_a_frame_of_which_cells_are_back_is_given_to_nobody(make_start: StartMaker) -> None:
    old, new = toy_model(), toy_model()
    models = Models(old)
    models.flip(new, "better")
    (frame,) = passages(make_start(), models, [2])
    one = crops(2)
    (batch,) = Batcher[Passage](2, 0.0).add(frame, one.images, one.background, 0.0)
    (part,) = batch.parts
    engine = new.engines.serving
    assert frame.place(
        part, Inferred(FakeBackend().infer(one.images, one.background), engine), 0, 1
    )
    assert handed_over(batch, models, new) == (None, batch.parts)
    assert frame.model is new
