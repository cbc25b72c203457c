"""Measured phase maps: what is read, what is refused, and that a ball is measured as a ball."""

from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.likeness.phase_maps import read_phase_maps
from phenostream.trainer.likeness.phase_statistics import (
    QUANTITIES,
    drawn_paths,
    measure_paths,
    on_grid,
)
from tests.trainer.likeness.phase_archive import (
    BALL_DN,
    BALL_UM,
    PIXEL_UM,
    WAVELENGTH_UM,
    ball_phase,
    write_archive,
)

pytest.importorskip("h5py", reason="the extra phase is not installed")
HL60 = Path(__file__).parents[4] / "shared/data/qpi_hl60/qlsi_3d_hl60-cell_A140.tar.lzma"


def test_a_ball_is_read_and_measured_as_a_ball(tmp_path: Path) -> None:
    maps = read_phase_maps(write_archive(tmp_path / "a.tar.lzma", ball_phase()))
    assert len(maps) == 2
    assert (maps.pixel_um, maps.wavelength_um) == pytest.approx((PIXEL_UM, WAVELENGTH_UM))
    assert maps.path_um.max() == pytest.approx(BALL_UM * BALL_DN, rel=0.01)
    found = dict(zip(QUANTITIES, measure_paths(on_grid(maps)).scalars[0], strict=True))
    assert found["diameter_um"] == pytest.approx(BALL_UM, rel=0.04)
    assert found["peak_um"] == pytest.approx(BALL_UM * BALL_DN, rel=0.04)
    assert found["mean_dn"] == pytest.approx(BALL_DN, rel=0.1)
    assert found["fine_share"] < 0.01


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"pixel size": 0.139}, "pixel size 0.139: allowed 1e-08 to 2e-06"),
        ({"wavelength": 0.0}, "wavelength 0.0: allowed"),
        ({"medium index": 3.0}, "medium index 3.0: allowed"),
    ],
)
def test_impossible_attributes_are_named(
    tmp_path: Path, attributes: dict[str, float], says: str
) -> None:
    path = write_archive(tmp_path / "a.tar.lzma", ball_phase(), attributes=attributes)
    with pytest.raises(BadInput, match=says):
        read_phase_maps(path)


def test_archives_that_hold_no_maps_are_refused_in_a_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    other = write_archive(tmp_path / "b.tar.lzma", ball_phase(), name="other.h5")
    infinite = write_archive(tmp_path / "c.tar.lzma", np.full((64, 64), np.inf))
    tiny = write_archive(tmp_path / "d.tar.lzma", ball_phase()[:8, :8])
    for path, says in (
        (tmp_path / "none", "No such file"),
        (empty, "not a .tar.lzma archive"),
        (other, "holds no series.h5"),
        (infinite, "not finite"),
        (tiny, "need 32 to 1024 px"),
    ):
        with pytest.raises(BadInput, match=says) as caught:
            read_phase_maps(path)
        assert "\n" not in str(caught.value)


def test_drawn_cells_have_path_of_the_order_of_a_tenth_of_a_micrometre() -> None:
    for kind in ("lymphocyte", "granulocyte", "monocyte"):
        peak = measure_paths(drawn_paths("hard", kind, 12, 1)).scalars[:, 1]
        assert 0.05 < np.median(peak) < 0.3


@pytest.mark.skipif(
    not HL60.is_file(), reason="the shared data folder with the HL60 maps is absent"
)
def test_the_real_cell_is_read_with_the_size_and_index_it_was_published_with() -> None:
    maps = read_phase_maps(HL60)
    assert len(maps) == 140
    assert maps.medium_index == pytest.approx(1.335)
    found = measure_paths(on_grid(maps)[::20]).scalars
    assert np.median(found[:, 0]) == pytest.approx(14.8, abs=0.3)
    assert np.median(found[:, 3]) == pytest.approx(0.020, abs=0.002)
