"""Simulated single shots: the same from the same seed, other ones for other uses, and like DPC_Left."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.cell_set import KINDS
from phenostream.trainer.single_shot.cells import SCHOOLS
from phenostream.trainer.single_shot.simulated import (
    ShotSettings,
    SimulatedShots,
    simulated_shots,
)

pytestmark = pytest.mark.trainer
SETTINGS = ShotSettings("train", seed=3, objects=12)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shots")


@pytest.fixture(scope="module")
def shots(cache: Path) -> SimulatedShots:
    return simulated_shots(SETTINGS, cache)


def test_each_object_is_one_group_of_four_stretched_pictures(shots: SimulatedShots) -> None:
    assert shots.planes.shape == (48, 128, 128)
    assert shots.group.tolist() == np.repeat(np.arange(12), 4).tolist()
    assert (shots.kind.reshape(12, 4) == shots.kind[::4, None]).all()
    assert set(shots.kind.tolist()) <= set(range(len(KINDS) - 1))
    assert (shots.planes.reshape(48, -1).min(axis=1) < 90).all()
    assert (shots.planes.reshape(48, -1).max(axis=1) > 160).all()


def test_cells_are_brighter_on_the_right_than_on_the_left(shots: SimulatedShots) -> None:
    middle = shots.planes[:, 32:96].astype(np.float64)
    brighter = middle[..., 64:94].mean(axis=(1, 2)) > middle[..., 34:64].mean(axis=(1, 2))
    assert brighter.mean() > 0.8


def test_the_same_settings_give_the_same_pictures_from_the_cache_and_without_it(
    shots: SimulatedShots, cache: Path, tmp_path: Path
) -> None:
    drawn: list[None] = []
    again = simulated_shots(SETTINGS, cache, lambda: drawn.append(None))
    assert drawn == []
    assert np.array_equal(again.planes, shots.planes)
    fresh = simulated_shots(SETTINGS, tmp_path, lambda: drawn.append(None))
    assert len(drawn) == 12
    assert np.array_equal(fresh.planes, shots.planes)


def test_a_damaged_file_is_drawn_again(shots: SimulatedShots, cache: Path) -> None:
    file = next(cache.glob("*.npz"))
    file.write_bytes(file.read_bytes()[:5_000])
    assert np.array_equal(simulated_shots(SETTINGS, cache).planes, shots.planes)


def test_other_parts_and_seeds_show_other_cells(shots: SimulatedShots, tmp_path: Path) -> None:
    few = replace(SETTINGS, objects=5)
    for other in (replace(few, part="test"), replace(few, seed=4)):
        planes = simulated_shots(other, tmp_path).planes
        assert not any(np.array_equal(plane, shots.planes[0]) for plane in planes)


def test_too_few_objects_are_refused() -> None:
    with pytest.raises(BadInput, match="objects: 4, allowed 5 to 100000"):
        replace(SETTINGS, objects=4)


def test_schools_draw_the_same_objects_in_other_ways(shots: SimulatedShots, tmp_path: Path) -> None:
    few = replace(SETTINGS, objects=5)
    drawn = {
        name: simulated_shots(replace(few, schools=(name,)), tmp_path / name).planes
        for name in SCHOOLS
    }
    kinds = {name: planes[0].tobytes() for name, planes in drawn.items()}
    assert len(set(kinds.values())) == len(SCHOOLS)


def test_a_school_that_nobody_knows_is_refused() -> None:
    for schools in ((), ("preset", "cubist")):
        with pytest.raises(BadInput, match=r"schools: .*, allowed some of preset, granules"):
            replace(SETTINGS, schools=schools)
