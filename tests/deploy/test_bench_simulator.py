"""`bench simulator` prints what it measured, writes its page, and refuses in one line."""

import json
from pathlib import Path

import cv2
import pytest

from phenostream.deploy.cli import main
from phenostream.trainer.likeness.simulated_figures import PoolSettings, simulate_figures


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("figures")
    (root / "png").mkdir()
    kinds = (("lymphocyte", 3), ("granulocyte", 4), ("monocyte", 3))
    pictures, names = simulate_figures(PoolSettings("easy", 9, kinds, 0.5))
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(root / "png" / f"c{index}.png"), picture)
    rows = "\n".join(f"c{index},DPC_Left,{name}" for index, name in enumerate(names))
    (root / "index.csv").write_text(f"name,channel,cls\n{rows}\n")
    return root


def test_json_and_page_hold_the_same_numbers(
    figures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "simulator", "--figures", str(figures), "--preset", "easy"]
    assert main([*command, "--times", "1", "--json", "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "simulator.json").read_text())
    assert told["synthetic"] is True
    assert (told["real_cells"], told["preset"]) == (10, "easy")
    page = (tmp_path / "simulator.html").read_text()
    assert f"{told['told_apart']['auc']:.2f}" in page


def test_a_folder_without_an_index_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "simulator", "--figures", str(tmp_path)]) != 0
    error = capsys.readouterr().err.strip()
    assert "index.csv" in error
    assert "Traceback" not in error
