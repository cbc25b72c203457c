"""Two pools side by side: equal ones cannot be told apart, others can."""

import numpy as np
import pytest

from phenostream.trainer.likeness.comparison import compare, tell_apart
from phenostream.trainer.likeness.statistics import SCALARS, PictureStatistics


def pool(seed: int, count: int, shift: float = 0.0) -> PictureStatistics:
    rng = np.random.default_rng(seed)
    table = rng.normal(5 + shift, 1, (count, 56)).astype(np.float32)
    return PictureStatistics(*np.split(table, [10, 22, 34, 45], axis=1))


def test_pools_of_one_kind_cannot_be_told_apart() -> None:
    found = tell_apart(pool(1, 60).features, pool(2, 200).features, 0)
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.25


def test_pools_that_differ_are_told_apart() -> None:
    found = tell_apart(pool(1, 60).features, pool(2, 200, shift=1.0).features, 0)
    assert found.auc > 0.99
    assert found.low <= found.auc <= found.high


def test_rows_and_curves_hold_both_pools() -> None:
    found = compare(pool(1, 60), pool(2, 200, shift=1.0), 0)
    assert [row.name for row in found.rows] == list(SCALARS)
    assert [len(row.x) for row in found.curves] == [12, 12, 11, 11]
    for row in found.rows:
        assert row.ratio == pytest.approx(1.2, abs=0.2)
        assert row.real.low < row.real.median < row.real.high
    told = found.as_dict()
    assert told["rows"][0]["ratio"] == found.rows[0].ratio
    assert (told["real_cells"], told["synthetic_cells"]) == (60, 200)
