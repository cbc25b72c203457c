import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.bsccm.chunk_files import check_planes, read_layout, read_plane
from phenostream.trainer.data.bsccm.mirror_store import StoredArray, write_array

pytestmark = pytest.mark.trainer

PLANE = np.arange(28 * 28, dtype=np.uint16).reshape(28, 28)


@pytest.fixture(params=["<u2", "|u1"])
def array(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Three planes of 28 x 28 in chunks of 96 x 96, of which plane 1 is written."""
    folder = tmp_path / "cell_7"
    write_array(folder, StoredArray((3, 28, 28), (1, 96, 96), request.param), {1: PLANE % 251})
    return folder


def test_the_part_of_a_chunk_that_the_array_has_is_read(array: Path) -> None:
    layout = read_layout(array)
    check_planes(layout, array, 3)
    plane = read_plane(array, layout, 1)
    assert plane.dtype == layout.dtype
    np.testing.assert_array_equal(plane, PLANE % 251)


def test_zarr_reads_the_same_and_zeros_where_we_refuse(array: Path) -> None:
    import zarr

    theirs = zarr.open_array(str(array), mode="r")
    np.testing.assert_array_equal(theirs[1], read_plane(array, read_layout(array), 1))
    assert not np.any(theirs[0])
    with pytest.raises(BadInput, match=r"cell_7/0\.0\.0: the chunk is missing"):
        read_plane(array, read_layout(array), 0)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda chunk: chunk[:-5], "the chunk is damaged: .* bytes where it claims"),
        (lambda chunk: chunk[:9], r"the chunk is cut short \(9 bytes\)"),
        (lambda chunk: b"", r"the chunk is cut short \(0 bytes\)"),
        (lambda chunk: chunk[:4] + b"\xff\xff\xff\x7f" + chunk[8:], "the chunk holds 2147483647"),
        (lambda chunk: chunk[:16] + bytes(len(chunk) - 16), r"the chunk is damaged \("),
    ],
)
def test_a_chunk_that_is_not_whole_is_named(array: Path, spoil: Any, told: str) -> None:
    path = array / "1.0.0"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadInput, match=rf"cell_7/1\.0\.0: {told}"):
        read_plane(array, read_layout(array), 1)


def test_a_chunk_without_compression_is_read_and_measured(array: Path) -> None:
    layout = read_layout(array)
    chunk = np.zeros(layout.chunks, layout.dtype)
    chunk[0, :28, :28] = PLANE % 251
    _restate(array, compressor=None)
    (array / "1.0.0").write_bytes(chunk.tobytes())
    np.testing.assert_array_equal(read_plane(array, read_layout(array), 1), PLANE % 251)
    (array / "1.0.0").write_bytes(chunk.tobytes()[:-1])
    with pytest.raises(BadInput, match=r"the chunk holds \d+ bytes, expected \d+"):
        read_plane(array, read_layout(array), 1)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("zarr_format", 3, "zarr_format 3, allowed 2"),
        ("order", "F", "order 'F', allowed 'C'"),
        ("dtype", ">u2", "dtype '>u2', allowed '<u2', '|u1', '<f4'"),
        ("filters", [{"id": "delta"}], "filters"),
        ("compressor", {"id": "gzip"}, "compressor 'gzip', allowed None, 'blosc'"),
        ("chunks", [1, 96], r"shape \(3, 28, 28\) in chunks of \(1, 96\)"),
        ("chunks", [1, 10**5, 10**5], "chunks of 1?[02]0+ bytes, allowed 67108864"),
        ("shape", None, "NoneType"),
    ],
)
def test_another_way_of_storing_is_named(array: Path, key: str, value: Any, told: str) -> None:
    _restate(array, **{key: value})
    with pytest.raises(BadInput, match=rf"\.zarray: .*{told}"):
        read_layout(array)


def test_an_array_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cell_8: no array there \(\.zarray is missing\)"):
        read_layout(tmp_path / "cell_8")


@pytest.mark.parametrize("shape", [(23, 28, 28), (28, 28), (3, 96, 200)])
def test_planes_are_one_a_chunk(tmp_path: Path, shape: tuple[int, ...]) -> None:
    folder = tmp_path / "cell_9"
    write_array(folder, StoredArray(shape, (1, 96, 96)[-len(shape) :], "<u2"), {})
    with pytest.raises(BadInput, match="allowed 3 planes, one a chunk"):
        check_planes(read_layout(folder), folder, 3)


def _restate(array: Path, **changes: Any) -> None:
    path = array / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
