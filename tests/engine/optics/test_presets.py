import pytest

from phenostream.engine.optics.presets import KIND_MIX, PRESETS, RANGES, Preset
from phenostream.engine.types import CLASSES


@pytest.mark.parametrize("preset", PRESETS)
def test_shares_add_to_one_and_every_class_has_ranges(preset: Preset) -> None:
    assert sum(RANGES[preset].white_mix) == pytest.approx(1)
    assert sum(KIND_MIX.values()) == pytest.approx(1)
    assert set(RANGES[preset].white) == set(CLASSES)


def test_easy_has_no_pairs_and_hard_is_nowhere_narrower_in_focus_and_index() -> None:
    easy, hard = RANGES["easy"], RANGES["hard"]
    assert easy.doublet_share == 0
    assert hard.doublet_share > 0
    assert hard.defocus_um[0] < easy.defocus_um[0] < easy.defocus_um[1] < hard.defocus_um[1]
    for kind in CLASSES:
        assert hard.white[kind].body_dn[0] <= easy.white[kind].body_dn[0]
        assert hard.white[kind].body_dn[1] >= easy.white[kind].body_dn[1]


def test_hard_widens_what_easy_keeps_and_easy_has_none_of_what_was_added() -> None:
    easy, hard = RANGES["easy"], RANGES["hard"]
    assert easy.run is None
    assert easy.gate_noise == 0
    assert not easy.na_inner
    assert 0.04 <= hard.gate_noise <= 0.05
    assert 2 * hard.doublet_share / (1 + hard.doublet_share) == pytest.approx(0.10, abs=0.01)
    for kind in CLASSES:
        assert easy.white[kind].loss_per_um == easy.white[kind].foot == (0.0, 0.0)
        assert hard.white[kind].loss_per_um[1] > 0
