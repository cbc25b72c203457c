"""The benchmark times what it says: a start that reads all, one that reads nothing, and a daemon that keeps nothing."""

from pathlib import Path

import pytest

from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.ingest import Start
from phenostream.deploy.bench.journal import lengths, measure_start
from phenostream.deploy.bundles import bundle_path
from phenostream.engine.bundle import load_bundle
from phenostream.engine.types import REDUCED_PIXEL_UM, SHOTS


def test_both_starts_know_the_same_and_read_all_or_nothing(tmp_path: Path) -> None:
    start = Start.model_validate(
        {
            "run": new_run_id(),
            "instrument": "scope",
            "pixel_size_um": REDUCED_PIXEL_UM,
            "dark_level": 0.0,
            "white_level": 255.0,
            "bit_depth": 8,
            "dtype": "u8",
            "height": 128,
            "width": 128,
            "shots": SHOTS,
            "wavelength_um": 0.53,
            "numerical_aperture": 0.5,
            "synthetic": True,
            "source_utc_ns": 1,
        }
    )
    bundle = load_bundle(bundle_path("demo"))
    steps: list[int] = []
    figure = measure_start(bundle, start, tmp_path, 3000, 2, lambda: steps.append(1))
    assert (figure.records, len(steps)) == (3000, 2)
    assert figure.ratio > 0


@pytest.mark.parametrize(
    ("longest", "each"), [(9999, []), (10_000, [10_000]), (500_000, [10_000, 100_000])]
)
def test_journals_grow_tenfold(longest: int, each: list[int]) -> None:
    assert list(lengths(longest)) == each
