"""`phenostream info BUNDLE` says what the numbers of a model promise."""

import json
from pathlib import Path

import pytest

from phenostream.deploy.cli.main import BAD_USAGE, GOOD, main
from phenostream.engine.bundle import MANIFEST
from phenostream.engine.manifest import sealed
from tests.system.toy_bundle import write_toy_bundle

PROMISES = {
    "prior": {"shares": [0.15, 0.8, 0.05], "stated": True},
    "class_sets": {"coverage": 0.95, "threshold": [0.1, 0.2, 0.3]},
    "interval_scale": [[1, 1, 1, 1]] * 3,
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle that states a population and gives sets of classes."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_toy_bundle(folder)
    content = json.loads((folder / MANIFEST).read_text())
    content["calibration"] |= PROMISES
    (folder / MANIFEST).write_text(json.dumps(sealed(content)))
    return folder


def test_a_person_reads_for_whom_it_holds_and_what(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(bundle)]) == GOOD
    said = capsys.readouterr().out
    assert (
        "class probabilities hold where cells are lymphocyte 15.0%, granulocyte 80.0%, monocyte 5.0%: "
        "as stated for its use\n"
    ) in said
    assert "sets of classes hold at least 95% of the cells of each class, nominally\n" in said
    assert (
        "marker intervals hold 90%, nominally; median half width in z: CD123/HLA-DR/CD14 1.00"
        in said
    )


def test_a_program_reads_the_same(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(bundle), "--json"]) == GOOD
    promises = json.loads(capsys.readouterr().out)["promises"]
    assert promises["prior"] == PROMISES["prior"]
    assert promises["class_coverage"] == 0.95
    assert promises["interval_coverage"] == 0.9


@pytest.mark.trainer
@pytest.mark.parametrize(
    "prior", ["0.5,0.5", "0.5,0.5,0.5", "1,0,0", "a,b,c", "0.3,0.6,0.1,0", "", "nan,0.5,0.5"]
)
def test_an_impossible_population_is_one_line(
    prior: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    out = str(tmp_path / "out")
    assert main(["export-model", "/nowhere", out, f"--prior={prior}"]) == BAD_USAGE
    assert capsys.readouterr().err == (
        f"phenostream export-model: --prior {prior}: allowed three shares from 0.001 to 0.998 that are 1 in all, "
        "as in 0.3,0.6,0.1\n"
    )
