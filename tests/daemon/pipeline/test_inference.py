"""The inference threads: rows go back to their frames, a fault is retried once and then told."""

from collections.abc import Callable

import numpy as np
import pytest

from phenostream.daemon.channel import Channel
from phenostream.daemon.health import Health
from phenostream.daemon.pipeline.entries import Arrival, Entry, Passage, Prepared
from phenostream.daemon.pipeline.inference import Inference
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.backends.checked import CheckedBackend
from phenostream.engine.backends.fake import FakeBackend, FakeScript
from phenostream.engine.batcher import Batch, Batcher
from phenostream.engine.types import Detections

StartMaker = Callable[..., Start]
RNG = np.random.default_rng(3)


def passage(start: Start, seq: int, cells: int) -> Passage:
    zero = np.zeros(cells, np.float32)
    no = np.zeros(cells, bool)
    prepared = Prepared(Detections(zero, zero, zero, zero, no), ~no, 1.0, 0.0, 1.0, 2.0)
    return Passage(Arrival(start, seq, 0, 0.0), prepared)


def crops(cells: int) -> tuple[np.ndarray, np.ndarray]:
    images = RNG.random((cells, 4, 28, 28), np.float32)
    return images, np.full((cells, 4), 0.5, np.float32)


def served(
    batches: list[Batch[Passage]], script: FakeScript | None = None
) -> tuple[list[Entry], Health]:
    """Run one inference thread over the batches."""
    health = Health()
    queue: Channel[Batch[Passage]] = Channel(None)
    entries: Channel[Entry] = Channel(None)
    for batch in batches:
        queue.put(batch)
    queue.close()
    Inference(CheckedBackend(FakeBackend(script)), health, queue, entries).run(lambda: None)
    return entries.take_all(), health


def test_every_frame_gets_its_own_rows_in_order(make_start: StartMaker) -> None:
    start = make_start()
    frames = [(passage(start, seq, n), *crops(n)) for seq, n in enumerate([5, 3, 9])]
    batcher: Batcher[Passage] = Batcher(4, 0.0)
    batches = [b for token, i, g in frames for b in batcher.add(token, i, g, 0.0)]
    last = batcher.flush()
    entries, health = served([*batches, *([last] if last else [])])
    assert entries == [token for token, _, _ in frames]
    assert not health.degraded
    for token, images, background in frames:
        alone = FakeBackend().infer(images, background)
        together = token.outputs()
        assert together is not None
        np.testing.assert_array_equal(together.feature, alone.feature)
        np.testing.assert_array_equal(together.class_logits, alone.class_logits)


@pytest.mark.parametrize(
    "script", [FakeScript(fail_at=frozenset({1})), FakeScript(nan_at=frozenset({1}))]
)
def test_one_fault_is_retried_and_nobody_notices(
    make_start: StartMaker, script: FakeScript
) -> None:
    batch = _single(make_start())
    entries, health = served([batch], script)
    (entry,) = entries
    assert isinstance(entry, Passage)
    assert entry.failure is None
    assert not health.degraded


def test_a_second_fault_fails_the_frames_of_the_batch_and_degrades(make_start: StartMaker) -> None:
    batch = _single(make_start())
    entries, health = served([batch], FakeScript(fail_at=frozenset({1, 2})))
    (entry,) = entries
    assert isinstance(entry, Passage)
    assert entry.failure == ("failed", "engine: fake: told to fail at call 2")
    assert health.snapshot()["faults"] == {"engine": "fake: told to fail at call 2"}


def test_the_next_good_batch_recovers(make_start: StartMaker) -> None:
    batches = [_single(make_start()), _single(make_start())]
    entries, health = served(batches, FakeScript(fail_at=frozenset({1, 2})))
    failures = [entry.failure is not None for entry in entries if isinstance(entry, Passage)]
    assert failures == [True, False]
    assert not health.degraded


def test_a_frame_that_lost_one_batch_fails_once_when_all_its_parts_are_back(
    make_start: StartMaker,
) -> None:
    token = passage(make_start(), 0, 4)
    batches = Batcher[Passage](2, 0.0).add(token, *crops(4), 0.0)
    assert len(batches) == 2
    entries, _ = served(batches, FakeScript(fail_at=frozenset({1, 2})))
    assert entries == [token]
    assert token.failure is not None


def _single(start: Start) -> Batch[Passage]:
    batcher: Batcher[Passage] = Batcher(8, 0.0)
    batcher.add(passage(start, 0, 3), *crops(3), 0.0)
    batch = batcher.flush()
    assert batch is not None
    return batch
