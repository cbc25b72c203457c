"""The detector alone on recordings whose cells are known."""

import json
from pathlib import Path

import pytest

from phenostream.deploy.bench.recorded_cells import score_recording
from phenostream.deploy.cli import main
from phenostream.engine.errors import BadInput

DATA = Path(__file__).parents[1] / "data"
RECORDING, TRUTH = DATA / "real_quads.phenorec", DATA / "real_quads.truth.json"


def _altered(path: Path, **changes: object) -> Path:
    truth = {**json.loads(TRUTH.read_text()), **changes}
    (path / "truth.json").write_text(json.dumps(truth))
    return path / "truth.json"


def test_every_real_cell_is_found_and_none_is_invented() -> None:
    score = score_recording(RECORDING, TRUTH)
    assert (score.frames, score.cells, score.matched, score.invented) == (5, 27, 27, 0)
    assert score.kinds["white"].found == 27
    assert score.centre_error_px is not None
    assert score.centre_error_px < 1.0
    assert not score.synthetic


def test_four_frames_with_cells_give_no_interval_of_recall() -> None:
    score = score_recording(RECORDING, TRUTH)
    assert score.recall is not None
    assert (score.recall.value, score.recall.low) == (1.0, None)


def test_a_cell_that_is_not_there_is_missed_and_one_not_in_the_truth_is_invented(
    tmp_path: Path,
) -> None:
    frames = json.loads(TRUTH.read_text())["frames"]
    frames[0]["x_px"][0] += 60
    score = score_recording(RECORDING, _altered(tmp_path, frames=frames))
    assert (score.matched, score.invented) == (26, 1)
    assert score.kinds["white"].found == 26


def test_a_truth_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"pixel_size_um 0\.266667, the truth has 0\.2"):
        score_recording(RECORDING, _altered(tmp_path, pixel_size_um=0.2))
    frames = json.loads(TRUTH.read_text())["frames"]
    with pytest.raises(BadInput, match="frame 4 is not in the truth"):
        score_recording(RECORDING, _altered(tmp_path, frames=frames[:4]))
    more = [*frames, {**frames[0], "frame_seq": 9}]
    with pytest.raises(BadInput, match="frame 9 of the truth"):
        score_recording(RECORDING, _altered(tmp_path, frames=more))


def test_the_command_prints_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "detect", "--recording", str(RECORDING), "--truth", str(TRUTH)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "5 frames, real cells (two real BSCCM cells" in said
    assert "1.000 [no interval]" in said
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["matched"] == 27
