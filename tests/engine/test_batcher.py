import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenostream.engine.batcher import Batch, Batcher
from phenostream.engine.errors import BadConfig
from phenostream.engine.types import F32

Arrivals = list[tuple[int, float]]


def _cells(first: int, count: int) -> tuple[F32, F32]:
    """Crops whose every pixel is the cell's serial number."""
    serial = np.arange(first, first + count, dtype=np.float32)
    images = np.broadcast_to(serial[:, None, None, None], (count, 4, 28, 28)).copy()
    return images, np.broadcast_to(serial[:, None], (count, 4)).copy()


def test_full_batch_leaves_at_once() -> None:
    batcher: Batcher[str] = Batcher(4, 1.0)
    assert batcher.add("a", *_cells(0, 3), 0.0) == []
    (batch,) = batcher.add("b", *_cells(3, 2), 0.1)
    assert len(batch) == 4
    assert [(p.token, p.frame_slice, p.batch_slice) for p in batch.parts] == [
        ("a", slice(0, 3), slice(0, 3)),
        ("b", slice(0, 1), slice(3, 4)),
    ]
    assert batcher.pending == 1


def test_short_batch_leaves_at_the_deadline_of_its_oldest_cell() -> None:
    batcher: Batcher[str] = Batcher(10, 1.0)
    batcher.add("a", *_cells(0, 1), 5.0)
    batcher.add("b", *_cells(1, 1), 5.9)
    assert batcher.deadline == 6.0
    assert batcher.poll(5.99) is None
    batch = batcher.poll(6.0)
    assert batch is not None
    assert [p.token for p in batch.parts] == ["a", "b"]
    assert batcher.deadline is None


def test_what_is_left_of_a_split_frame_keeps_its_arrival() -> None:
    batcher: Batcher[str] = Batcher(2, 1.0)
    batches = batcher.add("a", *_cells(0, 5), 3.0)
    assert [len(b) for b in batches] == [2, 2]
    assert batcher.deadline == 4.0


def test_a_frame_without_cells_makes_no_batch_and_no_deadline() -> None:
    batcher: Batcher[str] = Batcher(2, 1.0)
    assert batcher.add("a", *_cells(0, 0), 3.0) == []
    assert batcher.deadline is None
    assert batcher.poll(1e9) is None
    assert batcher.flush() is None


@pytest.mark.parametrize(
    ("max_cells", "max_wait_s", "key"),
    [(0, 1.0, "max_cells"), (1, -1.0, "max_wait_s"), (1, float("nan"), "max_wait_s")],
)
def test_impossible_settings_are_refused_by_name(
    max_cells: int, max_wait_s: float, key: str
) -> None:
    with pytest.raises(BadConfig, match=key):
        Batcher(max_cells, max_wait_s)


@given(
    arrivals=st.lists(st.tuples(st.integers(0, 12), st.floats(0, 0.4)), max_size=25),
    max_cells=st.integers(1, 9),
    max_wait_s=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_nothing_is_lost_reordered_oversized_or_late(
    arrivals: Arrivals, max_cells: int, max_wait_s: float
) -> None:
    batcher: Batcher[int] = Batcher(max_cells, max_wait_s)
    left: list[tuple[Batch[int], float]] = []
    arrived: dict[int, float] = {}
    now, first = 0.0, 0
    for frame, (count, pause) in enumerate(arrivals):
        target = now + pause
        while batcher.deadline is not None and batcher.deadline <= target:
            now = batcher.deadline
            late = batcher.poll(now)
            assert late is not None
            left.append((late, now))
        now = target
        arrived |= {first + k: now for k in range(count)}
        left += [(b, now) for b in batcher.add(frame, *_cells(first, count), now)]
        first += count
    if (rest := batcher.flush()) is not None:
        left.append((rest, now))
    assert batcher.pending == 0
    serials = [int(s) for batch, _ in left for s in batch.images[:, 0, 0, 0]]
    assert serials == list(range(first))
    for batch, when in left:
        assert 1 <= len(batch) <= max_cells
        assert np.array_equal(batch.images[:, 0, 0, 0], batch.background[:, 0])
        for part in batch.parts:
            assert (
                batch.images[part.batch_slice].shape[0]
                == part.frame_slice.stop - part.frame_slice.start
            )
        oldest = min(arrived[int(s)] for s in batch.background[:, 0])
        assert when <= oldest + max_wait_s + 1e-9
