import json
import shutil
from pathlib import Path

import pytest

from phenostream.deploy.cli.main import main
from phenostream.trainer.data.packed import load_packed

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bsccm") / "mirror"
    # of so few cells of the preset hard too few stand alone to tell which shot is which
    assert main(["bsccm", "mirror", str(root), "--cells", "60", "--preset", "easy"]) == 0
    return root


def test_info_counts_before_and_after_overlaps(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bsccm", "info", str(mirror), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["synthetic"] is True
    assert told["listings"]["granulocyte"] > told["labelled"]["granulocyte"] > 0
    assert told["conflicts"] > 0
    assert main(["bsccm", "info", str(mirror.parent)]) == 0
    shown = capsys.readouterr().out
    for words in ("60 SYNTHETIC cells", "number of donors unknown", "at floor", "CD16, 1"):
        assert words in shown


def test_a_set_too_small_for_a_headline_is_called_so(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bsccm", "info", str(mirror)]) == 0
    assert "too small for a headline: 3 cells of the rarest class (monocyte)" in (
        capsys.readouterr().out
    )


def test_without_a_marker_table_there_is_an_account_but_nothing_to_pack(
    mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(mirror, tmp_path / "copy"))
    (root / "BSCCM_surface_markers.csv").unlink()
    assert main(["bsccm", "info", str(root)]) == 0
    shown = capsys.readouterr().out
    assert "60 SYNTHETIC cells" in shown
    assert "no marker table: no classes and no targets" in shown
    assert main(["bsccm", "pack", str(root), str(tmp_path / "cells.npz")]) == 2
    assert "BSCCM_surface_markers.csv: is not there" in capsys.readouterr().err


def test_a_folder_whose_names_and_images_disagree_is_packed_with_exit_code_3(
    mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(mirror, tmp_path / "copy"))
    metadata = root / "BSCCM_global_metadata.json"
    stated = json.loads(metadata.read_text())
    names = stated["led_array"]["channel_names"]
    left, right = names.index("DPC_Left"), names.index("DPC_Right")
    names[left], names[right] = names[right], names[left]
    metadata.write_text(json.dumps(stated))
    assert main(["bsccm", "pack", str(root), str(tmp_path / "cells.npz")]) == 3
    assert "left and right are exchanged" in capsys.readouterr().out


def test_pack_writes_a_file_with_a_content_hash(
    mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cells.npz"
    assert main(["bsccm", "pack", str(mirror), str(out), "--json", "--others", "all"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["cells"], told["shots"]) == (60, "ok")
    assert told["sha256"] == load_packed(out).sha256()
    assert main(["bsccm", "pack", str(mirror), str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"60 cells in {out}, SYNTHETIC, content hash {told['sha256'][:16]}" in shown
    assert "every shot is what it is called" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["info", "/nowhere"], "phenostream bsccm: /nowhere: no folder"),
        (["pack", "MIRROR", "OUT", "--others", "few"], "--others: 'few', allowed a number from 0"),
        (["mirror", "MIRROR"], "is not an empty folder"),
        (["mirror", "OUT", "--cells", "5"], "cells: 5 is out of range, allowed 60 to 100000"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    words: list[str],
    told: str,
    mirror: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = {"MIRROR": str(mirror), "OUT": str(tmp_path / "out")}
    assert main(["bsccm", *(place.get(word, word) for word in words)]) == 2
    complaint = capsys.readouterr().err
    assert told in complaint
    assert complaint.count("\n") == 1
