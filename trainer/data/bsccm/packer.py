"""From a BSCCM folder to one file of packed cells: read once, resumable, whole or not there.

Cells are read in blocks, each kept as a file of its own until all are there; a packing that was interrupted, even by a
power cut, goes on after its last whole block and gives the same content hash. Knows which cells are taken and the
account of it; how an image or a table is read, others know.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.types import CROP_PX, U8
from phenostream.trainer.data.array_file import read_arrays, write_arrays
from phenostream.trainer.data.bsccm.dataset import Dataset, open_dataset
from phenostream.trainer.data.bsccm.images import read_shots, small_shots
from phenostream.trainer.data.bsccm.layout import MOST_COUNTS
from phenostream.trainer.data.bsccm.survey import count_by_table, survey
from phenostream.trainer.data.packed import PackedCells, PackFacts, load_packed, save_packed

logger = logging.getLogger(__name__)

I64 = npt.NDArray[np.int64]
OTHERS: Final = 5000
"""Cells without a gate that are packed of each condition and batch, unless told otherwise."""
CODE_VERSION: Final = 1
"""Raise it whenever the same data set would give other packed cells."""
_BLOCK: Final = 256
_READERS: Final = 8
"""Threads: reading many small files is waiting."""
_GOLDEN_RATIO: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class _Block:
    """Images of some cells: (n, 4, 28, 28) uint8, and the largest count as stored."""

    images: U8
    largest: int


def pack(folder: Path, out: Path, others: int | None = OTHERS) -> PackedCells:
    """Read a data set's cells and write them as one file; a finished one of the same plan is just loaded.

    Every cell that is in a gate is taken. Of the rest, which have no class, so many of each condition and batch: they
    serve as cells to be rejected and for markers of other stainings.

    Args:
        folder: The data set's folder, or one level above it.
        out: File to write; blocks are kept beside it in `out`.parts until it is whole.
        others: Ungated cells of each condition and batch; None takes all.

    Returns:
        What `out` holds.

    Raises:
        BadInput: The data set is not whole, `out` holds something else, or another process packs into it.
        OSError: A file cannot be written; what was read so far is kept for the next attempt.
    """
    if others is not None and others < 0:
        raise BadConfig(f"others: {others}, allowed 0 or more")
    data = open_dataset(folder)
    rows = choose(data, others)
    if not len(rows):
        raise BadInput(f"{data.root}: no cell in a gate, and none of the others wanted")
    plan = _plan(data, rows)
    if out.exists():
        return _finished(out, plan)
    parts = out.with_name(f"{out.name}.parts")
    parts.mkdir(parents=True, exist_ok=True)
    with _alone(parts):
        cells = _assemble(data, rows, _read_all(data, rows, parts, plan), plan)
        save_packed(cells, out)
        shutil.rmtree(parts)
    return cells


def choose(data: Dataset, others: int | None) -> I64:
    """Rows to pack, ascending: all gated cells, and of each condition and batch so many others.

    Which others is decided by their number alone, so that it is the same whatever else is in the table.
    """
    gated = np.asarray(data.gates.any(axis=1))
    if others is None:
        return np.arange(len(data))
    taken = gated.copy()
    lot = data.cells.global_index.astype(np.uint64) * _GOLDEN_RATIO
    table = data.cells.condition.astype(np.int64) * 2 + data.cells.batch
    for number in np.unique(table[~gated]):
        rest = np.flatnonzero((table == number) & ~gated)
        taken[rest[np.argsort(lot[rest], kind="stable")[:others]]] = True
    return np.flatnonzero(taken)


def _plan(data: Dataset, rows: I64) -> str:
    numbers = hashlib.sha256(data.cells.global_index[rows].tobytes()).hexdigest()
    text = json.dumps([CODE_VERSION, data.source_sha256, numbers], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _finished(out: Path, plan: str) -> PackedCells:
    cells = load_packed(out)
    if cells.facts.plan != plan:
        raise BadInput(
            f"{out}: holds another data set or choice of cells ({cells.facts.source}, {len(cells)} cells): "
            "remove it or name another file"
        )
    return cells


@contextmanager
def _alone(parts: Path) -> Iterator[None]:
    """Only one process at a time fills a folder of blocks; the lock goes with the process."""
    handle = os.open(parts, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise BadInput(f"{parts}: another process is packing into it") from err
        yield
    finally:
        os.close(handle)


def _read_all(data: Dataset, rows: I64, parts: Path, plan: str) -> U8:
    """(N, 4, 28, 28) images of all rows, block by block."""
    images, largest = np.empty((len(rows), 4, CROP_PX, CROP_PX), np.uint8), 0
    with (
        ThreadPoolExecutor(_READERS) as readers,
        tqdm(total=len(rows), desc="cells", unit="cell", disable=None) as bar,
    ):
        for start in range(0, len(rows), _BLOCK):
            chosen = rows[start : start + _BLOCK]
            path = parts / f"{plan}-{start:08d}.npz"
            block = _kept(path, len(chosen))
            if block is None:
                block = _read_block(data, chosen, readers)
                _keep(path, block)
            images[start : start + len(chosen)] = block.images
            largest = max(largest, block.largest)
            _check_depth(data, largest)
            bar.update(len(chosen))
    return images


def _read_block(data: Dataset, rows: I64, readers: ThreadPoolExecutor) -> _Block:
    def read(row: int) -> npt.NDArray[Any]:
        path, number = str(data.cells.data_path[row]), int(data.cells.global_index[row])
        return read_shots(data.root, data.metadata, path, number)

    shots = np.stack(list(readers.map(read, rows.tolist())))
    return _Block(small_shots(shots, data.metadata), int(shots.max()))


def _check_depth(data: Dataset, largest: int) -> None:
    """A whole block of BSCCM below 256 of 4095 counts is no light field but 8-bit data."""
    if data.metadata.variant == "BSCCM" and largest <= MOST_COUNTS["BSCCMNIST"]:
        raise BadInput(
            f"{data.root}: no count above {largest}: 8-bit images where BSCCM has 12 bits (0 to 4095)"
        )


def _kept(path: Path, count: int) -> _Block | None:
    """A block of an earlier attempt, or None; a damaged one is read again."""
    if not path.exists():
        return None
    try:
        stored = read_arrays(path, ("images", "largest"))
    except BadInput as err:
        logger.warning("%s is damaged and its cells are read again: %s", path, err)
        return None
    if len(stored["images"]) != count:
        return None
    return _Block(stored["images"], int(stored["largest"]))


def _keep(path: Path, block: _Block) -> None:
    write_arrays(path, {"images": block.images, "largest": np.array(block.largest)})


def _assemble(data: Dataset, rows: I64, images: U8, plan: str) -> PackedCells:
    cells = data.cells.take(rows)
    different = {hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images}
    facts = PackFacts(
        **survey(data).model_dump(),
        plan=plan,
        packed=count_by_table(cells.condition, cells.batch),
        same_images=len(images) - len(different),
    )
    return PackedCells(
        images=images,
        global_index=cells.global_index,
        gates=data.gates[rows],
        kind=data.kinds.kind[rows],
        conflict=data.kinds.conflict[rows],
        markers=data.markers[rows],
        marker_mask=data.marker_mask[rows],
        censored=data.censored[rows],
        condition=cells.condition,
        batch=cells.batch,
        slide=cells.slide,
        field=cells.field,
        field_um=cells.field_um,
        in_field_px=cells.in_field_px.astype(np.float32),
        facts=facts,
    )
