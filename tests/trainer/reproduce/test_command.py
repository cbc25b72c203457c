import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from phenostream.deploy.cli.main import main
from phenostream.trainer.data import protocols, splits
from phenostream.trainer.data.packed import PackedCells

pytestmark = [pytest.mark.trainer, pytest.mark.timeout(200)]


def words(root: Path, out: Path, *more: str) -> list[str]:
    return ["reproduce", "--bsccm", str(root), "--protocol", "clean", "--out", str(out), *more]


def test_too_few_cells_are_no_failure(
    tiny_mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tiny_mirror, tmp_path, "--quick")) == 0
    said = capsys.readouterr()
    assert "headline refused: " in said.out
    assert "SYNTHETIC" in said.out
    assert f"report: {tmp_path / 'clean-quick' / 'report.html'}" in said.out
    stages = [line.split()[0] for line in said.err.splitlines()[1:]]
    assert stages == ["pack", "split", "report"]


def test_a_program_reads_one_json_value(
    tiny_mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tiny_mirror, tmp_path, "--json")) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["good"]
    assert outcome["synthetic"]
    assert outcome["refusals"] == [outcome["refusal"]]
    assert Path(outcome["files"]["json"]).is_file()
    assert [one["reproduced"] for one in outcome["verdicts"]] == [None, None]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seeds", "0"], "--seeds"),
        (["--threads", "0"], "--threads"),
        (["--epochs", "5000"], "--epochs"),
    ],
)
def test_impossible_values_are_one_line(
    more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, tmp_path, *more)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_what_is_no_data_set_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path / "nothing", tmp_path / "out")) == 2
    assert "nothing" in capsys.readouterr().err.splitlines()[-1]


def test_another_data_set_in_the_same_folder_is_refused(
    tiny_mirror: Path, blob_mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tiny_mirror, tmp_path)) == 0
    assert main(words(blob_mirror, tmp_path)) == 2
    assert "packed.npz" in capsys.readouterr().err.splitlines()[-1]


def test_overlapping_parts_end_with_exit_code_1(
    blob_mirror: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def leaking(cells: PackedCells, seed: int) -> protocols.Parts:
        made = protocols.clean(cells, seed)
        return protocols.Parts(made.train, made.select, made.calibrate, made.train, {})

    monkeypatch.setitem(splits._MAKERS, "clean", leaking)
    assert main(words(blob_mirror, tmp_path)) == 1
    assert "is in train and in test" in capsys.readouterr().err.splitlines()[-1]
