"""`train` and `evaluate` with `--dataset bccd`: pictures in, a model, figures by original."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phenostream.deploy.cli.main import BAD_USAGE, GOOD, main
from phenostream.engine.errors import BadInput
from phenostream.trainer.bccd.recipe import recipes
from phenostream.trainer.bccd.shipped import SHIPPED, load_subject
from phenostream.trainer.data.bccd.register import load_register, save_register
from tests.trainer.data.bccd.toy_smears import toy_smears, write_folder

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine originals of three classes, four pictures of each."""
    smears, _ = toy_smears(originals=9, each=4, seed=1)
    return write_folder(smears, tmp_path_factory.mktemp("bccd") / "TRAIN")


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    """Trained for an instant, its third fold beforehand: it knows nothing, and says what it learnt from."""
    out = folder.parent / "model"
    words = ["train", "--dataset", "bccd", "--root", str(folder), "--out", str(out)]
    words += ["--epochs", "1", "--crop-px", "28"]
    assert main([*words, "--fold", "3"]) == GOOD
    assert {one.name for one in out.iterdir() if one.is_dir()} == {"member-3", "member-8"}
    assert main(words) == GOOD
    return out


@pytest.mark.timeout(240)
def test_what_the_committee_learnt_from_is_judged_by_the_members_that_have_not_seen_it(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(model), "--dataset", "bccd", "--root", str(folder)]
    assert main([*words, "--resamples", "100", "--out", str(tmp_path), "--json"]) == GOOD
    said = json.loads(capsys.readouterr().out)
    (part,) = said["parts"]
    assert part["part"] == "TRAIN"
    assert (part["crossed"]["pictures"], part["crossed"]["originals"]) == (36, 9)
    assert part["unseen"] is part["together"] is None
    assert "2332 of 2487" in said["published"]
    crossed = "each original by the members that have not seen it"
    assert {one["data"] for one in said["when_made"]} == {crossed}
    (made,) = [one for one in said["when_made"] if one["name"] == "accuracy per picture"]
    accuracy = part["crossed"]["by_picture"]["accuracy"]["value"]
    assert made["figure"]["value"] == pytest.approx(accuracy)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Research use only" in page
    assert "data:image/png" in page
    assert json.loads((tmp_path / "report.json").read_text())["read"] == 36


@pytest.mark.timeout(240)
def test_new_originals_are_judged_by_all_members_and_recognised_ones_are_not_new(
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
    assert "originals that no member has seen, by all members" in test
    assert "learnt from" not in test
    assert "originals that the committee learnt from, each by the members that have not" in simple
    assert "no member has seen" not in simple


def test_a_folder_without_pictures_is_one_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(model), "--dataset", "bccd", "--root"]
    for root, named in ((tmp_path / "none", "no folder and no zip"), (tmp_path, "no picture to")):
        assert main([*words, str(root)]) == BAD_USAGE
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert named in told


def test_a_register_of_another_training_is_one_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(model, tmp_path / "model"))
    register = load_register(copy / "originals.npz")
    shifted = ((register.fold + 1) % 5).astype(np.uint8)
    save_register(replace(register, fold=shifted), copy / "originals.npz")
    words = ["evaluate", str(copy), "--dataset", "bccd", "--root", str(tmp_path)]
    with pytest.raises(BadInput, match=r"originals\.npz: sha256 .*, committee\.json says"):
        load_subject(copy)
    (copy / "originals.npz").unlink()
    with pytest.raises(BadInput, match="no register of originals"):
        load_subject(copy)
    (tmp_path / "LYMPHOCYTE").mkdir()
    (tmp_path / "LYMPHOCYTE" / "one.png").write_bytes(b"no picture")
    assert main(words) == BAD_USAGE
    assert capsys.readouterr().err.count("\n") == 1


def test_the_committee_that_comes_with_the_program_is_whole() -> None:
    subject = load_subject(SHIPPED)
    folds = subject.register.folds
    assert folds == 5
    for number, one in enumerate(subject.committee.members):
        assert one.card.trained_on[0].name == f"originals without fold {number % folds + 1}"
    assert len(subject.committee.members) == folds * len(recipes())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["evaluate", "--dataset", "bccd"], "--root: needed"),
        (["evaluate", "/nowhere", "--dataset", "bccd", "--root", "."], "not a committee of"),
        (["evaluate", "--dataset", "bccd", "--root", ".", "--resamples", "1"], "--resamples: 1"),
        (["evaluate", "--dataset", "bccd", "--root", ".", "--threads", "0"], "--threads: 0"),
        (["train", "--dataset", "bccd", "--out", "x"], "--root: needed"),
        (
            ["train", "--dataset", "bccd", "--root", "x", "--out", "x", "--fold", "6"],
            "--fold 6: allowed 1 to 5",
        ),
        (["train", "--out", "x", "--fold", "1"], "--fold 1: not allowed with --dataset simulated"),
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
