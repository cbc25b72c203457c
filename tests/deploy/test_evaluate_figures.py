"""`evaluate --dataset bsccm-figures` and `train --dataset single-shot` on the command line."""

import json
from pathlib import Path

import pytest

from phenostream.deploy.cli.main import main
from tests.trainer.single_shot.toy_shots import figures_folder, saved_model

pytestmark = pytest.mark.trainer
EVALUATE = ["evaluate", "--dataset", "bsccm-figures", "--resamples", "100"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return figures_folder(tmp_path_factory.mktemp("figures") / "set", each=2)


def test_the_shipped_model_judges_a_folder_and_says_what_it_is(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*EVALUATE, "--root", str(folder), "--out", str(tmp_path)]) == 0
    out, _ = capsys.readouterr()
    assert "trained on simulated cells only" in out
    assert "not zero-shot: normalisation fitted to the pixels of other real cells" in out
    assert "Research use only; not a diagnosis." in out
    assert (tmp_path / "figures.html").is_file()


def test_json_holds_every_cell_with_both_opinions(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved_model(tmp_path / "model")
    assert main(["evaluate", str(model), *EVALUATE[1:], "--root", str(folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["cells"]) == 10
    assert set(report["cells"][0]["probability"]) == {"strict", "adapted"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--root: needed with --dataset bsccm-figures"),
        (["--root", "nowhere"], "nowhere/index.csv: No such file or directory"),
        (["--root", "FOLDER", "--preset", "easy"], "--preset: not allowed with --dataset"),
        (["--root", "FOLDER", "--resamples", "5"], "resamples"),
    ],
)
def test_bad_usage_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    given = [str(folder) if word == "FOLDER" else word for word in words]
    assert main([*EVALUATE, *given]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--root", "x"], "--root x: not allowed with --dataset single-shot"),
        (["--epochs", "0"], "--epochs: 0"),
        (["--peak-rate", "7"], "--peak-rate: 7"),
        (["--seed", "2147483647"], "seed: 2147483647, allowed 0 to 2147483643"),
    ],
)
def test_bad_usage_of_the_training_names_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["train", "--dataset", "single-shot", "--out", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err
