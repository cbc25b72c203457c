from dataclasses import replace

import numpy as np
import pytest

from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.optics import rendering
from phenostream.engine.optics.cells import KINDS
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.presets import Preset
from phenostream.engine.optics.rendering import (
    BankSpec,
    CellBank,
    draw_spec_object,
    pack_bank,
    render_bank,
    seed_sequence,
    unpack_bank,
)

SPEC = BankSpec(seed=3, n=6, preset="hard", purpose="golden", pixel_size_um=0.343)


@pytest.fixture(scope="module")
def bank() -> CellBank:
    return render_bank(SPEC)


def _same(one: CellBank, two: CellBank) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True)
        for name in ("patches", "object_kind", "cell_object", "kind", "y_um", "markers")
    )


def test_the_same_spec_gives_the_same_bytes(bank: CellBank) -> None:
    assert _same(bank, render_bank(SPEC))


def test_patches_are_exactly_one_at_their_border(bank: CellBank) -> None:
    rim = np.ones(bank.patches.shape[-2:], bool)
    rim[1:-1, 1:-1] = False
    assert (bank.patches[:, :, rim] == 1).all()
    assert np.abs(bank.patches - 1).max(axis=(1, 2, 3)).min() > 0.03


def test_truth_has_one_row_per_cell_in_order_of_objects(bank: CellBank) -> None:
    assert (np.diff(bank.cell_object) >= 0).all()
    assert set(bank.cell_object) == set(range(len(bank)))
    white = bank.kind < 3
    assert np.isfinite(bank.markers[white]).all()
    assert np.isnan(bank.markers[~white]).all()
    assert np.isfinite(bank.truth[white, 0]).all()
    assert np.isnan(bank.truth[~white]).all()
    np.testing.assert_array_equal(
        np.isfinite(bank.truth[:, 1]), bank.kind == KINDS.index("granulocyte")
    )


def test_kinds_come_in_the_mix_that_was_asked_for() -> None:
    spec = BankSpec(1, 200, "easy")
    kinds = [rendering._kinds(spec)[index] for index in range(spec.n)]
    counts = {kind: kinds.count(kind) for kind in KINDS}
    assert counts["red"] == 70
    assert counts["debris"] == 20
    assert abs(counts["granulocyte"] - 0.55 * 0.45 * 200) < 1


def test_cells_can_be_asked_for_out_of_focus_and_are_otherwise_the_same() -> None:
    far = replace(SPEC, far_um=(4.0, 8.0))
    for index in range(SPEC.n):
        usual, moved = draw_spec_object(SPEC, index), draw_spec_object(far, index)
        assert moved.cells == usual.cells
        assert 4.0 <= abs(moved.defocus_um) <= 8.0


def test_torch_renders_what_numpy_does(bank: CellBank) -> None:
    torch = pytest.importorskip("torch")
    other = render_bank(SPEC, xp=torch)
    np.testing.assert_allclose(other.patches, bank.patches, atol=1e-3)
    np.testing.assert_array_equal(other.markers, bank.markers)


def test_pairs_are_in_the_hard_preset_only() -> None:
    def cells(preset: Preset) -> list[int]:
        spec = BankSpec(1, 150, preset)
        return [len(draw_spec_object(spec, index).cells) for index in range(spec.n)]

    assert set(cells("easy")) == {1}
    assert 1 < cells("hard").count(2) < 25


@pytest.mark.parametrize("seed", [0, 3])
def test_purposes_share_no_object_at_the_same_seed(seed: int) -> None:
    drawn = [
        draw_spec_object(BankSpec(seed, 20, "easy", purpose), index)
        for purpose in rendering.PURPOSES
        for index in range(20)
    ]
    assert len(set(drawn)) == len(drawn)


def test_purposes_share_no_stream_whatever_the_seeds() -> None:
    states = {
        tuple(seed_sequence(purpose, seed, 1, index).generate_state(4))
        for purpose in rendering.PURPOSES
        for seed in range(20)
        for index in range(20)
    }
    assert len(states) == len(rendering.PURPOSES) * 20 * 20


def test_packing_a_bank_loses_nothing(bank: CellBank) -> None:
    assert _same(unpack_bank(SPEC, pack_bank(bank)), bank)


def test_columns_of_another_spec_or_without_one_of_them_are_no_bank(bank: CellBank) -> None:
    columns = pack_bank(bank)
    with pytest.raises(BadInput, match="expected 7"):
        unpack_bank(replace(SPEC, n=7), columns)
    del columns["kind"]
    with pytest.raises(BadInput, match="kind"):
        unpack_bank(SPEC, columns)


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, seed=4),
        replace(SPEC, purpose="train"),
        replace(SPEC, pixel_size_um=0.2),
        replace(SPEC, optics=Optics(rings=3)),
        replace(SPEC, far_um=(4.0, 8.0)),
    ],
)
def test_any_parameter_changes_the_cache_key(other: BankSpec) -> None:
    assert other.key != SPEC.key


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": -1}, "seed"),
        ({"n": 0}, "n >= 1"),
        ({"preset": "simple"}, "easy, hard"),
        ({"purpose": "test"}, "simulate"),
        ({"pixel_size_um": 2.1}, r"0\.05\.\.2"),
        ({"far_um": (8.0, 4.0)}, "least <= greatest"),
    ],
)
def test_an_impossible_spec_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(BadConfig, match=says):
        replace(SPEC, **change)  # type: ignore[arg-type]  # wrong values are the point
