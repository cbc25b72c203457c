"""Planted sites change what their name says and nothing else."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.deploy.bench.site_shifts import (  # noqa: E402
    SITES,
    Change,
    SiteShift,
    blur,
    changed,
    contrast,
    noise,
    shading,
    site_cells,
    zoom,
)
from phenostream.deploy.cli.main import main  # noqa: E402
from phenostream.engine.optics.forward import Optics  # noqa: E402
from phenostream.engine.types import F32  # noqa: E402
from tests.trainer.adaptation.toy_cells import toy_cells  # noqa: E402


def disc() -> F32:
    """One cell of 0.5 on 0.4, twelve pixels across."""
    y, x = np.mgrid[:28, :28] - 13.5
    image = np.where(np.hypot(y, x) < 6, 0.5, 0.4)
    return np.broadcast_to(image, (1, 4, 28, 28)).astype(np.float32)


def lit(images: F32) -> float:
    """How much light the cell adds, in pixels of 0.1."""
    return float((images[0, 0] - 0.4).sum() / 0.1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [(contrast(1.4), 1.4), (contrast(0.65), 0.65), (blur(0.8), 1.0), (zoom(1.08), 1.08**2)],
)
def test_the_light_of_a_cell_changes_as_it_should(change: Change, expected: float) -> None:
    assert lit(change(disc())) / lit(disc()) == pytest.approx(expected, rel=0.04)


def test_a_blur_takes_the_edge_and_leaves_the_middle() -> None:
    blurred = blur(0.8)(disc())[0, 0]
    assert blurred[13, 13] == pytest.approx(0.5, abs=1e-3)
    assert 0.41 < blurred[13, 7] < 0.49


def test_shading_falls_off_across_the_crop() -> None:
    shaded = shading(0.05)(np.full((1, 4, 28, 28), 0.4, np.float32))
    assert shaded[0, 0, 0, 0] == pytest.approx(0.38)
    assert shaded[0, 0, 0, -1] == pytest.approx(0.42)


def test_noise_is_a_part_of_the_background() -> None:
    flat = np.full((3, 4, 28, 28), 0.4, np.float32)
    assert (noise(0.03)(flat) - flat).std() == pytest.approx(0.012, rel=0.05)


def test_the_background_is_that_of_the_new_pixels() -> None:
    cells = toy_cells(6)
    moved = changed(cells, lambda images: images * 2)
    np.testing.assert_allclose(moved.background, 2 * cells.background, rtol=0.02)
    assert moved.kind.tolist() == cells.kind.tolist()


def test_every_site_has_a_name_of_its_own() -> None:
    assert len({site.name for site in SITES}) == len(SITES)


@pytest.mark.parametrize("site", [s for s in SITES if s.optics != Optics()], ids=lambda s: s.name)
def test_a_site_of_other_optics_has_cells(site: SiteShift, tmp_path: Path) -> None:
    assert site_cells(site, 3, 8, 5, tmp_path).white.any()


def test_the_parts_of_a_site_share_no_cell(tmp_path: Path) -> None:
    plain = SiteShift("plain")
    one, other = (site_cells(plain, seed, 8, 30, tmp_path) for seed in (3, 4))
    assert min(len(one), len(other)) >= 30
    assert one.white.any()
    assert not np.isin(one.images[:, 0, 14, 14], other.images[:, 0, 14, 14]).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cells", "10"], "--cells 10: out of range, allowed 200 to 3000"),
        (["--objects", "3"], "--objects 3: out of range, allowed 50 to 10000"),
        (["--site", "moon"], "--site moon: in none of no shift, contrast"),
    ],
)
def test_bad_usage_is_told_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "adapt", *words]) == 2
    assert said in capsys.readouterr().err
