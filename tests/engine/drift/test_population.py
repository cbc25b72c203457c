"""The file of a bundle that tells its training population: whole, or refused in one line."""

import io
from typing import Any

import numpy as np
import pytest

from phenostream.engine.drift.frame import Projection
from phenostream.engine.drift.population import Population, population_bytes, population_of
from phenostream.engine.errors import BadInput
from tests.engine.drift.toy_frames import CONTEXT, ROWS, Sample, summed


def arrays(**changes: Any) -> bytes:
    told: dict[str, Any] = {
        "frames": np.array([3]),
        "sums": summed(Sample(), 5, 1).table,
        "centre": np.zeros(256, np.float32),
        "axes": np.ones((256, 8), np.float32),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **{name: one for name, one in (told | changes).items() if one is not None})
    return buffer.getvalue()


def test_it_comes_back_as_it_was() -> None:
    rng = np.random.default_rng(0)
    projection = Projection(
        rng.normal(size=256).astype(np.float32), rng.normal(size=(256, 8)).astype(np.float32)
    )
    told = Population(summed(Sample(), 7, 1), projection)
    again = population_of(population_bytes(told), CONTEXT)
    assert again.sums.frames == 7
    assert (again.sums.table == told.sums.table).all()
    assert (again.projection.centre == projection.centre).all()
    assert (again.projection.axes == projection.axes).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK", "not a plain zip archive"),
        (arrays(sums=None), "arrays missing or unknown: sums"),
        (arrays(more=np.zeros(1)), "arrays missing or unknown: more"),
        (arrays(sums=np.zeros((ROWS - 1, 5))), "sums: float64"),
        (arrays(centre=np.full(256, np.nan)), "centre: float64"),
        (arrays(frames=np.array([0])), "sums: of 0 frames"),
        (arrays(sums=np.full((ROWS, 5), -1.0)), "negative square"),
        (arrays(axes=np.array(["x"])), "axes"),
    ],
)
def test_anything_else_is_refused_in_one_line(content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        population_of(content, CONTEXT)
    assert "\n" not in str(refused.value)
