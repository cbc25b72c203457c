import numpy as np
import pytest

from phenostream.trainer.data.field_blocks import MARGIN, Fields, blocks_of_fields, step_um

STEP_UM = 320.0
SHARES = (0.70, 0.05, 0.10, 0.15)


def grid(rows: int, columns: int, slides: int = 1, jitter_um: float = 0.0) -> Fields:
    rng = np.random.default_rng(3)
    count = rows * columns * slides
    place = np.arange(count) % (rows * columns)
    centre = np.stack([place // columns, place % columns], axis=1) * STEP_UM
    return Fields(
        slide=(np.arange(count) // (rows * columns)).astype(np.int32),
        centre_um=centre + rng.uniform(-jitter_um, jitter_um, (count, 2)),
        counts=rng.poisson((3, 6, 1.5), (count, 3)).astype(np.float64),
    )


@pytest.mark.parametrize(
    ("rows", "columns", "slides"), [(20, 25, 1), (7, 3, 1), (4, 5, 3), (3, 3, 6), (1, 9, 2)]
)
@pytest.mark.parametrize("jitter_um", [0.0, 12.0])
def test_fields_of_two_parts_never_touch(
    rows: int, columns: int, slides: int, jitter_um: float
) -> None:
    fields = grid(rows, columns, slides, jitter_um)
    part = blocks_of_fields(fields, SHARES, seed=1)
    for slide in range(slides):
        own = np.flatnonzero((fields.slide == slide) & (part != MARGIN))
        apart = np.abs(fields.centre_um[own][:, None] - fields.centre_um[own][None]).max(axis=2)
        different = part[own][:, None] != part[own][None]
        assert not (different & (apart < 1.5 * STEP_UM)).any()


@pytest.mark.parametrize(("rows", "columns", "slides"), [(20, 25, 1), (12, 9, 3)])
def test_parts_get_about_their_share_of_every_kind(rows: int, columns: int, slides: int) -> None:
    fields = grid(rows, columns, slides)
    part = blocks_of_fields(fields, SHARES, seed=1)
    for kind in range(3):
        total = fields.counts[:, kind].sum()
        got = [fields.counts[part == index, kind].sum() / total for index in range(4)]
        assert 0.45 < got[0] < 0.75
        assert all(
            0.4 * share < value < 1.8 * share
            for value, share in zip(got[1:], SHARES[1:], strict=True)
        )


def test_small_slides_share_the_parts_among_them() -> None:
    part = blocks_of_fields(grid(3, 3, slides=6), SHARES, seed=1)
    assert set(part.tolist()) >= {0, 1, 2, 3}


def test_one_field_a_slide_goes_whole_to_one_part() -> None:
    part = blocks_of_fields(grid(1, 1, slides=8), SHARES, seed=1)
    assert MARGIN not in part
    assert set(part.tolist()) == {0, 1, 2, 3}


def test_the_seed_decides_and_decides_again_the_same() -> None:
    fields = grid(12, 12)
    once, again = (blocks_of_fields(fields, SHARES, seed=5) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_the_step_is_that_of_the_stage() -> None:
    assert step_um(grid(5, 4).centre_um) == STEP_UM
    assert step_um(np.zeros((1, 2))) == 0.0
