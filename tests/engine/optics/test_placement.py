import numpy as np

from phenostream.engine.optics.placement import Field, Spacing

ALONE = np.zeros((1, 2))
WIDE_UM = np.array([10.0], np.float32)


def test_single_cells_keep_the_distance_of_centres() -> None:
    field = Field(Spacing((400, 300), 0.5, 20.0, 14.0, 1.5), 100)
    rng = np.random.default_rng(0)
    found = [field.put(ALONE, WIDE_UM, 9.5, rng) for _ in range(60)]
    at = np.array([corner for corner in found if corner is not None]) + 9.5
    apart = np.hypot(*np.moveaxis(at[:, None] - at[None], -1, 0)) * 0.5
    np.fill_diagonal(apart, np.inf)
    assert len(at) > 30
    assert apart.min() >= 14.0
    assert at.min() >= 20.0
    assert (at <= np.array([379.0, 279.0])).all()


def test_large_cells_keep_the_gap_between_outlines() -> None:
    field = Field(Spacing((400, 400), 0.5, 0.0, 14.0, 1.5), 100)
    rng = np.random.default_rng(0)
    wide = np.array([20.0], np.float32)
    found = [field.put(ALONE, wide, 0.0, rng) for _ in range(40)]
    at = np.array([corner for corner in found if corner is not None], float)
    apart = np.hypot(*np.moveaxis(at[:, None] - at[None], -1, 0)) * 0.5
    np.fill_diagonal(apart, np.inf)
    assert apart.min() >= 21.5


def test_both_cells_of_a_pair_take_room() -> None:
    field = Field(Spacing((100, 100), 1.0, 0.0, 0.0, 0.0), 10)
    pair = np.array([[-30.0, 0.0], [30.0, 0.0]])
    rng = np.random.default_rng(3)
    assert field.put(pair, np.array([60.0, 60.0], np.float32), 50.0, rng) is not None
    assert field.put(ALONE, np.array([150.0], np.float32), 50.0, rng) is None


def test_a_full_field_gives_none() -> None:
    field = Field(Spacing((60, 60), 1.0, 0.0, 200.0, 0.0), 4)
    rng = np.random.default_rng(0)
    assert field.put(ALONE, WIDE_UM, 0.0, rng) is not None
    assert field.put(ALONE, WIDE_UM, 0.0, rng) is None
