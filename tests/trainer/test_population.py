"""A trained model says what its held-out cells look like to it, frame by frame, and a bundle carries it."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.drift.population import population_bytes, population_of  # noqa: E402
from phenostream.engine.drift.quantities import quantities_of  # noqa: E402
from phenostream.engine.manifest import Calibration  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402
from phenostream.trainer.population import (  # noqa: E402
    LEAST_CELLS,
    _context,
    population_of_cells,
    told_of,
)

ROOT = Path(__file__).parents[2]


def calibration(**changes: object) -> Calibration:
    plain = {
        "status": "uncalibrated",
        "interval_half_width_z": None,
        "ood_threshold": 1e9,
        "reject_threshold": None,
    }
    return Calibration.model_validate(plain | changes)


def cells(count: int, frames: int = 6) -> CellSet:
    rng = np.random.default_rng(0)
    images = rng.uniform(0.3, 0.5, (count, 4, 28, 28)).astype(np.float32)
    return CellSet.with_labels(
        images,
        np.full((count, 4), 0.4, np.float32),
        (np.arange(count) % 4).astype(np.int32),  # every fourth is a red cell
        np.zeros((count, 4), np.float32),
        np.ones((count, 4), np.bool_),
        (np.arange(count) % frames).astype(np.int32),
    )


def test_frames_are_summed_over_their_white_cells() -> None:
    told = population_of_cells(BundleGraph(), calibration(), cells(160))
    assert told is not None
    assert told.sums.frames == 6
    codes = [one.code for one in quantities_of(_context(calibration()))]
    weights = dict(zip(codes, told.sums.table[:, 1], strict=True))
    assert weights["share/lymphocyte"] == weights["unusual"] == weights["feature/0"] == 120
    assert weights["rejected"] == weights["brightness/left"] == 0
    shares = [row for row, code in enumerate(codes) if code.startswith("share/")]
    assert told.sums.table[shares, 0].sum() == 120
    again = population_of(population_bytes(told), _context(calibration()))
    assert (again.sums.table == told.sums.table).all()
    facts = told_of(told, synthetic=True)
    assert (facts.frames, facts.classified, facts.synthetic) == (6, 120, True)


def test_too_few_cells_tell_no_population() -> None:
    assert population_of_cells(BundleGraph(), calibration(), cells(LEAST_CELLS)) is None


def test_rejected_cells_are_not_in_it() -> None:
    everything = calibration(reject_threshold=0.0)
    assert population_of_cells(BundleGraph(), everything, cells(160)) is None
