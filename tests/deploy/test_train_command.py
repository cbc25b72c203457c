"""What `train` refuses before it makes any data, each in one line, and what `bench train` prints."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.deploy.cli.main import main  # noqa: E402


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--seeds", "0"], "--seeds 0: allowed 1 or more"),
        (["--batch", "4"], "--batch: 4: allowed 8 to 4096"),
        (["--channel-dropout", "1"], "--channel-dropout: 1.0: allowed 0 and below 1"),
        (
            ["--without", "cnn", "--without", "vit"],
            "cnn and vit are both off; one branch must stay",
        ),
        (["--recipe", "published", "--rebalance", "weights"], "recipe published: rebalances"),
        (["--tasks", "one"], "invalid choice: 'one'"),
    ],
)
def test_an_impossible_choice_is_one_line(
    words: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--out", str(tmp_path / "x"), *words]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_the_training_loop_is_timed_beside_a_plain_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("phenostream.trainer.speed._PLAIN_BATCH", 8)
    monkeypatch.setattr("phenostream.trainer.speed._LARGE_BATCH", 16)
    assert main(["bench", "train", "--steps", "1", "--rounds", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows[0]["ratio"] == 1.0
    assert [row["batch"] for row in rows] == [8, 8, 8, 8, 16]
    assert all(row["cells_per_s"] > 0 for row in rows)
