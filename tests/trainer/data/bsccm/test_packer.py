import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadConfig, BadInput
from phenostream.trainer.data.bsccm import packer
from phenostream.trainer.data.bsccm.dataset import Dataset, open_dataset
from phenostream.trainer.data.bsccm.layout import (
    IMAGES_FOLDER,
    MARKERS_FILE,
    METADATA_FILE,
    SHOT_CHANNELS,
)
from phenostream.trainer.data.bsccm.mirror_store import StoredArray, write_array
from phenostream.trainer.data.bsccm.packer import choose, pack
from phenostream.trainer.data.packed import PackedCells, load_packed

pytestmark = pytest.mark.trainer
Edit = Callable[[str, str, str], None]


@pytest.fixture(scope="session")
def whole(small_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> PackedCells:
    """The small mirror, packed without a disturbance."""
    return pack(small_mirror, tmp_path_factory.mktemp("whole") / "cells.npz")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packer, "_BLOCK", 8)


def array_of(root: Path, data: Dataset, row: int) -> Path:
    number = data.cells.global_index[row]
    return root / IMAGES_FOLDER / str(data.cells.data_path[row]) / "led_array" / f"cell_{number}"


def test_packed_cells_say_what_they_are(whole: PackedCells, small_mirror: Path) -> None:
    assert len(whole) == 60
    assert np.array_equal(
        np.sort(whole.global_index), open_dataset(small_mirror).cells.global_index
    )
    facts = whole.facts
    assert (facts.variant, facts.synthetic, facts.cells_in_index) == ("BSCCMNIST", True, 60)
    assert sum(facts.packed.values()) == 60
    assert len(facts.packed) == 20  # ten stainings in two batches
    labelled = dict(zip(("lymphocyte", "granulocyte", "monocyte", "red"), range(4), strict=True))
    assert facts.labelled == {
        name: int((whole.kind == kind).sum()) for name, kind in labelled.items()
    }
    assert facts.conflicts == whole.conflict.sum() > 0
    assert (whole.kind[whole.conflict] == -1).all()
    assert facts.in_several_gates > facts.conflicts
    assert facts.class_and_unknown > 0
    assert facts.same_images == 0
    assert all(0 < share < 1 for share in facts.at_floor.values())
    assert whole.censored[whole.marker_mask].any()


def test_a_packed_file_is_loaded_and_not_packed_again(
    small_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "cells.npz"
    first = pack(small_mirror, out)
    monkeypatch.setattr(packer, "_read_all", None)
    assert pack(small_mirror, out).sha256() == first.sha256() == load_packed(out).sha256()
    assert [path.name for path in tmp_path.iterdir()] == ["cells.npz"]


def test_a_file_of_another_plan_is_not_overwritten(small_mirror: Path, tmp_path: Path) -> None:
    out = tmp_path / "cells.npz"
    first = pack(small_mirror, out, others=0)
    with pytest.raises(BadInput, match=r"cells.npz: holds another data set or choice of cells"):
        pack(small_mirror, out)
    assert load_packed(out).sha256() == first.sha256()
    out.write_bytes(b"mine")
    with pytest.raises(BadInput, match=r"cells\.npz: not a file of packed cells"):
        pack(small_mirror, out)
    assert out.read_bytes() == b"mine"


@pytest.mark.parametrize("moment", ["block", "file"])
@pytest.mark.usefixtures("small_blocks")
def test_a_killed_packing_is_completed_with_the_same_content(
    moment: str, small_mirror: Path, tmp_path: Path, whole: PackedCells
) -> None:
    out = tmp_path / "cells.npz"
    command = [sys.executable, "-m", "tests.trainer.data.bsccm.packing_process"]
    with subprocess.Popen(
        [*command, str(small_mirror), str(out), moment],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[4],
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"here\n"
        with pytest.raises(BadInput, match=r"npz\.parts: another process is packing into it"):
            pack(small_mirror, out)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert not out.exists()
    blocks = sorted((tmp_path / "cells.npz.parts").glob("*.npz"))
    assert len(blocks) == (3 if moment == "block" else 8)
    written = [block.stat().st_mtime_ns for block in blocks]
    again = [0]

    def count(*args: object) -> packer._Block:
        again[0] += 1
        return read(*args)  # type: ignore[arg-type]  # passed on as they came

    read = packer._read_block
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packer, "_read_block", count)
        patch.setattr(shutil, "rmtree", lambda _folder: None)
        assert pack(small_mirror, out).sha256() == whole.sha256()
    assert again[0] == 8 - len(blocks)
    assert [block.stat().st_mtime_ns for block in blocks] == written
    assert pack(small_mirror, out).sha256() == whole.sha256()


@pytest.mark.usefixtures("small_blocks")
def test_a_damaged_block_is_read_again(
    small_mirror: Path,
    tmp_path: Path,
    whole: PackedCells,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "cells.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packer, "save_packed", _full)
        with pytest.raises(OSError, match="No space left"):
            pack(small_mirror, out)
    blocks = sorted((tmp_path / "cells.npz.parts").iterdir())
    content = bytearray(blocks[1].read_bytes())
    content[len(content) // 2] ^= 1
    blocks[1].write_bytes(content)
    blocks[2].write_bytes(blocks[2].read_bytes()[:-100])
    assert pack(small_mirror, out).sha256() == whole.sha256()
    assert caplog.text.count("is damaged and its cells are read again") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["cells.npz"]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("limit", [10_000, 100_000])
def test_a_full_disk_leaves_nothing_half_written(
    limit: int, small_mirror: Path, tmp_path: Path, whole: PackedCells
) -> None:
    """A block needs 25 kB, the finished file 200 kB."""
    out = tmp_path / "cells.npz"
    with _files_of_at_most(limit), pytest.raises(OSError, match=r"File too large: '.*\.npz'"):
        pack(small_mirror, out)
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == (0 if limit < 25_000 else 8)
    assert not [name for name in left if "partial" in name]
    assert not out.exists()
    assert pack(small_mirror, out).sha256() == whole.sha256()


@pytest.mark.parametrize("channel", SHOT_CHANNELS)
def test_a_chunk_that_is_not_there_stops_the_packing(
    channel: str, copied: Path, tmp_path: Path
) -> None:
    data = open_dataset(copied)
    plane = data.metadata.led_channels.index(channel)
    chunk = array_of(copied, data, 20) / f"{plane}.0.0"
    content = chunk.read_bytes()
    chunk.unlink()
    out = tmp_path / "cells.npz"
    with pytest.raises(BadInput, match=rf"cell_\d+/{plane}\.0\.0: the chunk is missing"):
        pack(copied, out)
    chunk.write_bytes(content[:-1])
    with pytest.raises(BadInput, match=rf"{plane}\.0\.0: the chunk is damaged"):
        pack(copied, out)
    assert not out.exists()
    chunk.write_bytes(content)
    assert len(pack(copied, out)) == 60


def test_12_bit_counts_are_not_cast_to_8(copied: Path, tmp_path: Path) -> None:
    data = open_dataset(copied)
    folder = array_of(copied, data, 3)
    _rewrite(folder, np.full((28, 28), 1500, np.uint16), data.metadata.shots[2], (1, 96, 96))
    with pytest.raises(
        BadInput, match=r"a count of 1500, allowed in BSCCMNIST 0 to 255 \(8 bits\)"
    ):
        pack(copied, tmp_path / "cells.npz")


@pytest.mark.usefixtures("small_blocks")
def test_8_bit_images_are_not_taken_for_12(large_mirror: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(large_mirror, tmp_path / "copy"))
    data = open_dataset(root)
    dim = np.full((128, 128), 200, np.uint16)
    for row in range(len(data)):
        folder = array_of(root, data, row)
        shutil.rmtree(folder)
        planes = dict.fromkeys(data.metadata.shots, dim)
        write_array(folder, StoredArray((23, 128, 128), (1, 128, 128), "<u2"), planes)
    out = tmp_path / "cells.npz"
    with pytest.raises(BadInput, match="no count above 200: 8-bit images where BSCCM has 12 bits"):
        pack(root, out)
    assert not out.exists()


def test_images_of_the_other_variant_are_named(edit: Edit, copied: Path, tmp_path: Path) -> None:
    edit(METADATA_FILE, '"BSCCMNIST synthetic mirror"', '"BSCCM"')
    with pytest.raises(BadInput, match=r"<u2 \(28, 28\), allowed in BSCCM: <u2 \(128, 128\)"):
        pack(copied, tmp_path / "cells.npz")


def test_8_bits_may_be_stored_as_one_byte(copied: Path, tmp_path: Path, whole: PackedCells) -> None:
    data = open_dataset(copied)
    for row in range(len(data)):
        folder = array_of(copied, data, row)
        planes = dict(zip(data.metadata.shots, whole.images[row], strict=True))
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        write_array(folder, StoredArray((23, 28, 28), (1, 96, 96), "|u1"), planes)
    assert np.array_equal(pack(copied, tmp_path / "cells.npz").images, whole.images)


def test_gated_cells_are_all_taken_and_others_by_their_number(small_mirror: Path) -> None:
    data = open_dataset(small_mirror)
    gated = np.flatnonzero(data.gates.any(axis=1))
    assert choose(data, 0).tolist() == gated.tolist()
    assert choose(data, None).tolist() == list(range(60))
    some = choose(data, 1)
    assert set(gated) < set(some) < set(range(60))
    table = data.cells.condition * 2 + data.cells.batch
    rest = np.setdiff1d(some, gated)
    assert len(np.unique(table[rest])) == len(rest) == 20
    with pytest.raises(BadConfig, match="others: -1, allowed 0 or more"):
        pack(small_mirror, small_mirror / "none.npz", others=-1)


def test_a_set_without_gates_packs_its_others_or_says_that_there_is_nothing(
    copied: Path, tmp_path: Path
) -> None:
    path = copied / MARKERS_FILE
    path.write_text(path.read_text().replace("True", "False"))
    with pytest.raises(BadInput, match="no cell in a gate, and none of the others wanted"):
        pack(copied, tmp_path / "cells.npz", others=0)
    cells = pack(copied, tmp_path / "cells.npz")
    assert (cells.kind == -1).all()
    assert set(cells.facts.labelled.values()) == {0}


def _rewrite(
    folder: Path,
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint16]],
    plane: int,
    chunks: tuple[int, ...],
) -> None:
    """Replace one plane of a cell's LED image."""
    spare = folder.with_name("spare")
    write_array(spare, StoredArray((23, 28, 28), chunks, "<u2"), {plane: image})
    (spare / f"{plane}.0.0").replace(folder / f"{plane}.0.0")


def _full(*_args: object) -> None:
    raise OSError(28, "No space left on device")


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """Writing more to one file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
