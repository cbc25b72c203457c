"""Compressed frames beside raw ones: the same counts in the end, and damage that ends one frame only."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from phenostream.daemon.channel import Channel
from phenostream.daemon.pipeline.entries import Arrival, Entry, Passage, ReceivedFrame
from phenostream.daemon.pipeline.expansion import Expander, Packed
from phenostream.daemon.pipeline.model_batches import ModelBatches
from phenostream.daemon.pipeline.preparation import FramePath, Preparation
from phenostream.daemon.quarantine import Quarantine
from phenostream.daemon.swap.models import Models
from phenostream.daemon.wire.encoding import pack_counts
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.detect import DetectorSettings
from phenostream.engine.errors import BadFrame
from phenostream.engine.types import Frame
from tests.daemon.conftest import toy_model

StartMaker = Callable[..., Start]
FRAME: Frame = np.random.default_rng(2).integers(90, 110, (4, 128, 128), dtype="u1")


@pytest.fixture
def expander() -> Iterator[Expander]:
    expander = Expander()
    yield expander
    expander.close()


def packed(counts: Frame) -> Packed:
    plain = np.ascontiguousarray(counts).data.cast("B")
    chunk = pack_counts(plain, counts.itemsize)
    shots = len(counts) if counts.ndim == 3 else 1
    return Packed({"encoding": "blosc2"}, memoryview(chunk), shots)


def beat() -> None:
    """Nobody waits."""


def test_a_whole_frame_becomes_one_array_a_shot(expander: Expander, make_start: StartMaker) -> None:
    counts = expander.expand(make_start(), (packed(FRAME),)).counts(beat)
    assert [shot.shape for shot in counts] == [(128, 128)] * 4
    assert np.array_equal(counts, FRAME)


def test_single_shots_may_be_packed_or_not_and_keep_their_order(
    expander: Expander, make_start: StartMaker
) -> None:
    parts = (packed(FRAME[0]), FRAME[1], FRAME[2], packed(FRAME[3]))
    assert np.array_equal(expander.expand(make_start(), parts).counts(beat), FRAME)


def test_two_byte_counts_come_out_as_two_bytes(expander: Expander, make_start: StartMaker) -> None:
    start = make_start(dtype="u16", bit_depth=12, white_level=4095.0)
    wide = FRAME.astype("<u2") * 37
    (first, *_) = counts = expander.expand(start, (packed(wide),)).counts(beat)
    assert first.dtype == np.dtype("<u2")
    assert np.array_equal(counts, wide)


def test_damage_is_a_bad_frame_where_the_counts_are_wanted(
    expander: Expander, make_start: StartMaker
) -> None:
    expanding = expander.expand(make_start(), (damaged(packed(FRAME)),))
    with pytest.raises(BadFrame, match=r"^encoding: "):
        expanding.counts(beat)


def damaged(part: Packed) -> Packed:
    data = bytearray(part.data)
    data[32:64] = b"\xff" * 32  # where the blocks begin
    return part._replace(data=memoryview(data))


def test_a_frame_that_does_not_decode_is_quarantined_as_it_came_and_the_next_one_served(
    expander: Expander, make_start: StartMaker, tmp_path: Path
) -> None:
    frames: Channel[ReceivedFrame] = Channel(10)
    entries: Channel[Entry] = Channel(10)
    start, bad = make_start(), damaged(packed(FRAME))
    for seq, part in enumerate((bad, packed(FRAME))):
        expanding = expander.expand(start, (part,))
        frames.put(ReceivedFrame(Arrival(start, seq, 0, 0.0), None, expanding))
    frames.close()
    quarantine = Quarantine(tmp_path, 1 << 20)
    path = FramePath(DetectorSettings(), 100)
    gathered = ModelBatches(Models(toy_model()), 60.0)
    Preparation(path, gathered, quarantine, frames, Channel(10), entries).run(beat)
    first, second = entries.take_all()
    assert isinstance(first, Passage)
    assert first.failure is not None
    fate, reason = first.failure
    assert (fate, reason[:10]) == ("quarantined", "encoding: ")
    assert isinstance(second, Passage)
    assert second.failure is None
    (kept,) = tmp_path.glob("*.frame")
    assert kept.read_bytes() == bytes(bad.data)
