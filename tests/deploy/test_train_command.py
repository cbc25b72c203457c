"""What `train` refuses before it makes any data, each in one line, and what `bench train` prints."""

import json
from pathlib import Path
from types import SimpleNamespace

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
    monkeypatch.setattr("phenostream.trainer.training.speed._PLAIN_BATCH", 8)
    monkeypatch.setattr("phenostream.trainer.training.speed._LARGE_BATCH", 16)
    assert main(["bench", "train", "--steps", "1", "--rounds", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows[0]["ratio"] == 1.0
    assert [row["batch"] for row in rows] == [8, 8, 8, 8, 16]
    assert all(row["cells_per_s"] > 0 for row in rows)


def card(folder: Path, values: dict[str, float]) -> Path:
    """As much of a checkpoint as the command reads."""
    folder.mkdir()
    (folder / "values.json").write_text(json.dumps(values))
    return folder


def test_figures_of_several_seeds_stand_beside_their_mean_and_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(folder: Path) -> SimpleNamespace:
        found = json.loads((folder / "values.json").read_text())
        metrics = [
            SimpleNamespace(name=name, value=value, low=0.0, high=1.0, n=90, data="toy")
            for name, value in found.items()
        ]
        about = SimpleNamespace(name="toy", version="1", synthetic=True, metrics=metrics)
        return SimpleNamespace(card=about)

    folders = [
        card(tmp_path / "one", {"accuracy": 0.8, "odd": 0.1}),
        card(tmp_path / "two", {"accuracy": 0.9}),
    ]
    monkeypatch.setattr("phenostream.trainer.training.train.train", lambda settings, seeds: folders)
    monkeypatch.setattr("phenostream.trainer.checkpoint.load_checkpoint", load)
    assert main(["train", "--out", str(tmp_path), "--seeds", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    at = next(row for row, line in enumerate(said) if line.startswith("over 2 seeds"))
    assert said[at + 3].split() == ["accuracy", "0.85", "0.0707", "toy"]
    assert len(said) == at + 4
    folders = [card(tmp_path / "none", {}), card(tmp_path / "none too", {})]
    assert main(["train", "--out", str(tmp_path), "--seeds", "2"]) == 0
    assert capsys.readouterr().out.count("no figures: some class has too few test cells") == 2
