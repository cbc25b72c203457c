"""`train` and `evaluate` with `--dataset bccd`: pictures in, a model, figures by original."""

import json
from pathlib import Path

import pytest

from phenostream.deploy.cli.main import BAD_USAGE, GOOD, main
from tests.trainer.data.bccd.toy_smears import toy_smears, write_folder

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine originals of three classes, four pictures of each."""
    smears, _ = toy_smears(originals=9, each=4, seed=1)
    return write_folder(smears, tmp_path_factory.mktemp("bccd") / "TRAIN")


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    """Trained for an instant: it knows nothing, and says what it learnt from."""
    out = folder.parent / "model"
    words = ["train", "--dataset", "bccd", "--root", str(folder), "--out", str(out)]
    assert main([*words, "--epochs", "1", "--crop-px", "28"]) == GOOD
    return out


@pytest.mark.timeout(240)
def test_only_held_out_originals_of_what_it_learnt_from_are_judged(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(model), "--dataset", "bccd", "--root", str(folder)]
    assert main([*words, "--resamples", "100", "--out", str(tmp_path), "--json"]) == GOOD
    said = json.loads(capsys.readouterr().out)
    (part,) = said["parts"]
    assert part["part"] == "TRAIN"
    assert (part["unseen"]["pictures"], part["unseen"]["originals"]) == (12, 3)
    assert part["learnt_from"] == 24
    assert part["recognised"] is None
    assert "2332 of 2487" in said["published"]
    assert {one["data"] for one in said["when_made"]} >= {"held-out originals"}
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Research use only" in page
    assert "data:image/png" in page
    assert json.loads((tmp_path / "report.json").read_text())["read"] == 36


@pytest.mark.timeout(240)
def test_other_pictures_of_what_it_learnt_from_are_judged_apart(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again, _ = toy_smears(originals=9, each=4, seed=1)
    fresh, _ = toy_smears(originals=3, each=4, seed=2)
    root = tmp_path / "data"
    write_folder(fresh, root / "TEST")
    write_folder(again, root / "TEST_SIMPLE")
    (root / "TEST" / "MONOCYTE" / "broken.jpeg").write_bytes(b"\xff\xd8\xff")
    for picture in (root / "TEST_SIMPLE").rglob("*.jpeg"):
        picture.write_bytes(picture.read_bytes() + b"\0")  # another file of the same picture
    words = ["evaluate", str(model), "--dataset", "bccd", "--root", str(root)]
    assert main([*words, "--resamples", "100"]) == GOOD
    said = capsys.readouterr().out
    assert "1 left out: damaged" in said
    test, simple = said.split("TEST_SIMPLE:")
    assert "recognised" not in test
    assert "24 other pictures of 6 originals" in simple
    assert "no test" in simple


def test_a_folder_without_pictures_is_one_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(model), "--dataset", "bccd", "--root"]
    for root, named in ((tmp_path / "none", "no folder and no zip"), (tmp_path, "no picture to")):
        assert main([*words, str(root)]) == BAD_USAGE
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert named in told


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["evaluate", "--dataset", "bccd"], "--root: needed"),
        (["evaluate", "/nowhere", "--dataset", "bccd", "--root", "."], "not a picture classifier"),
        (["evaluate", "--dataset", "bccd", "--root", ".", "--resamples", "1"], "--resamples: 1"),
        (["evaluate", "--dataset", "bccd", "--root", ".", "--threads", "0"], "--threads: 0"),
        (["train", "--dataset", "bccd", "--out", "x"], "--root: needed"),
        (["train", "--out", "x", "--crop-px", "48"], "--crop-px 48: not allowed"),
        (
            ["train", "--dataset", "bccd", "--root", "x", "--out", "x", "--epochs", "0"],
            "--epochs: 0",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == BAD_USAGE
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert named in told
