"""A whole study: as like real cells as the preset was made to be, and a page that needs nothing but itself."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from phenostream.engine.errors import BadConfig, BadInput
from phenostream.trainer.likeness.page import render
from phenostream.trainer.likeness.simulated_figures import PoolSettings, simulate_figures
from phenostream.trainer.likeness.study import LikenessPlan, study_likeness

FIGURES = Path(__file__).parents[4] / "shared" / "data" / "bsccm_figures"


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve labelled pictures, all simulated, and one without a class."""
    root = tmp_path_factory.mktemp("figures")
    (root / "png").mkdir()
    kinds = (("lymphocyte", 4), ("granulocyte", 4), ("monocyte", 3), ("red", 1))
    pictures, names = simulate_figures(PoolSettings("easy", 9, kinds, 0.5))
    lines = ["name,channel,cls"]
    for index, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        cv2.imwrite(str(root / "png" / f"c{index}.png"), picture)
        lines.append(f"c{index},DPC_Left,{'rbc' if name == 'red' else name}")
    cv2.imwrite(str(root / "png" / "u.png"), pictures[0][::-1])
    lines.append("u,DPC_Left,unknown")
    (root / "index.csv").write_text("\n".join(lines) + "\n")
    return root


def test_a_study_compares_pools_of_one_composition_and_says_what_it_left_out(figures: Path) -> None:
    seen: list[object] = []
    found = study_likeness(figures, LikenessPlan("easy", times=1), lambda: seen.append(None))
    assert (found.comparison.real_cells, found.comparison.synthetic_cells) == (12, 12)
    assert len(seen) == 12
    assert found.left_out == ("1 cells of gates without a class",)
    assert {row.name: row.cells for row in found.sizes} == {
        "lymphocyte": 4, "granulocyte": 4, "monocyte": 3, "red": 1
    }  # fmt: skip


def test_the_page_shows_both_pools_and_points_nowhere(figures: Path) -> None:
    found = study_likeness(figures, LikenessPlan("easy", times=1))
    page = render(found, None)
    assert page == render(found, None)
    assert page.count("data:image/png;base64,") == 3
    for banned in ("http:", "https:", "<script", 'src="/'):
        assert banned not in page
    assert "Synthetic." in page
    assert "never a diagnosis" in page
    answer = page.split("simulated ones s: ")[1].split("<")[0].replace(" / ", "")
    assert sorted(answer) == sorted("R" * 12 + "s" * 12)


@pytest.mark.parametrize(
    ("plan", "says"),
    [({"times": 0}, "--times 0: allowed 1 to 50"), ({"seed": -1}, "--seed -1"), ({"preset": "x"}, "easy, hard")],
)  # fmt: skip
def test_impossible_plans_are_refused(plan: dict[str, object], says: str) -> None:
    with pytest.raises(BadConfig, match=says):
        LikenessPlan(**plan)  # type: ignore[arg-type]  # wrong values are the point


def test_too_few_cells_are_not_compared(figures: Path, tmp_path: Path) -> None:
    lines = (figures / "index.csv").read_text().splitlines()[:6]
    (tmp_path / "index.csv").write_text("\n".join(lines))
    (tmp_path / "png").symlink_to(figures / "png")
    with pytest.raises(BadInput, match="5 cells of known kind, need 10 white ones"):
        study_likeness(tmp_path, LikenessPlan("easy", times=1))


@pytest.mark.skipif(
    not FIGURES.is_dir(), reason="the shared data folder with the real BSCCM figures is absent"
)
def test_the_hard_presets_medians_are_within_a_quarter_of_the_real_ones() -> None:
    found = study_likeness(FIGURES, LikenessPlan("hard", times=2)).comparison
    for row in found.rows:
        assert row.ratio == pytest.approx(1.0, abs=0.25), row.name
    for curve in found.curves:
        real = np.array([one.median for one in curve.real])
        synthetic = np.array([one.median for one in curve.synthetic])
        assert np.abs(synthetic - real).max() < (0.35 if "spectrum" in curve.name else 16), (
            curve.name
        )
