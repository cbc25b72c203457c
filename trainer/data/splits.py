"""Packed cells parted under a protocol, checked, and turned into what the trainer takes.

A split that cannot be made is one line, and one that was made is looked at again: no cell, and no image, is in two of
its parts (`paper` keeps what was published, and counts it).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from phenostream.engine.crop import ring_background
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import CLASSES, I32
from phenostream.trainer.data import protocols
from phenostream.trainer.data.bsccm.layout import RED
from phenostream.trainer.data.cell_set import UNLABELLED, WHITE, CellSet
from phenostream.trainer.data.packed import I64, PackedCells, fraction_of_full_scale
from phenostream.trainer.data.protocols import ALL, Chosen, Parts, Protocol, TooFewCells

SPLIT_SEED: Final = 42
"""One split for all seeds of the training, so that no run ever tests on what another was trained on."""

_MAKERS: Final[dict[Protocol, Callable[[PackedCells, int], Parts]]] = {
    "paper": protocols.paper,
    "clean": protocols.clean,
    "fov": protocols.fov,
    "slide": protocols.slide,
    "condition": protocols.condition,
}


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of one protocol.

    Attributes:
        protocol: How it was made.
        seed: What chance decided by.
        train: White cells, and red cells to learn rejection from (not under `paper`).
        select: What the best epoch is chosen on.
        calibrate: Neither trained nor selected on; under `paper`, which has no such part, the same as `select`.
        test: Touched by nothing before the end.
        left_out: Labelled cells in no part, by reason.
        shared: Cells of `test` that are in another part too; 0 but under `paper`.
    """

    protocol: Protocol
    seed: int
    train: Chosen
    select: Chosen
    calibrate: Chosen
    test: Chosen
    left_out: dict[str, int]
    shared: int

    def parts(self) -> dict[str, Chosen]:
        """By name."""
        names = ("train", "select", "calibrate", "test")
        return {name: getattr(self, name) for name in names}

    def sha256(self, cells: PackedCells) -> str:
        """Hash of which cell is where, as what."""
        digest = hashlib.sha256(self.protocol.encode())
        for name, part in self.parts().items():
            digest.update(f"{name} {len(part)}".encode())
            digest.update(cells.global_index[part.rows].tobytes())
            digest.update(part.kind.tobytes())
        return digest.hexdigest()


def split(cells: PackedCells, protocol: Protocol, seed: int = SPLIT_SEED) -> Split:
    """Part the labelled cells.

    Args:
        cells: Of one data set.
        protocol: ``paper``: the published random split by entry of the gate lists, duplicates kept. ``clean``: random
            by cell. ``fov``: whole fields of view, at least one field apart. ``slide``: one whole slide to test on.
            ``condition``: as `clean`, tested on cells stained with CD45 or CD16 alone, which have no class.
        seed: Of the draw.

    Raises:
        TooFewCells: These cells cannot be parted so: too few of a class, too few fields or slides.
        EngineFault: The parts overlap, which is our fault.
    """
    made = _MAKERS[protocol](cells, seed)
    others = np.concatenate([made.train.rows, made.select.rows, made.calibrate.rows])
    shared = int(np.isin(np.unique(made.test.rows), others).sum())
    parted = Split(
        protocol, seed, made.train, made.select, made.calibrate, made.test, made.left_out, shared
    )
    for name, part in parted.parts().items():
        if protocol == "condition" and name == "test":
            continue
        missing = [label for label, count in part.counts().items() if not count]
        if missing:
            raise TooFewCells(
                f"protocol {protocol}: no {' and no '.join(missing)} in the part {name!r}: too few labelled cells or "
                f"fields for four parts ({_labels_said(cells)})"
            )
    check_disjoint(cells, parted)
    return parted


def check_disjoint(cells: PackedCells, made: Split) -> None:
    """Look again that no cell and no image is in two parts, whatever made them.

    Raises:
        EngineFault: One is; never under `paper`, which shares cells by its nature.
    """
    if made.protocol == "paper":
        return
    rows = np.concatenate([part.rows for part in made.parts().values()])
    part_of = np.repeat(list(made.parts()), [len(part) for part in made.parts().values()])
    hashes = protocols.image_hashes(cells.images[rows])
    for what, keys in (("cell", cells.global_index[rows].astype(str)), ("image", hashes)):
        home: dict[str, str] = {}
        for key, name in zip(keys.tolist(), part_of.tolist(), strict=True):
            if home.setdefault(key, name) != name:
                raise EngineFault(
                    f"split {made.protocol}: {what} {key} is in {home[key]} and in {name}"
                )


def outlier_rows(cells: PackedCells, made: Split, most: int = 2_000) -> dict[str, I64]:
    """Cells of the gated batch that are none of the classes and that no part before the test has.

    Args:
        cells: What was split.
        made: The split.
        most: Cells of a kind; of more, so many are drawn by the split's seed.

    Returns:
        ``red`` (those of the test part; under `paper`, which trains on none, all), ``unknown gate`` and ``ungated``; a
        kind that is not there is left out. Ungated cells are not known to be outliers: many are white.
    """
    stained = (cells.condition == ALL) & (cells.batch == protocols.labelled_batch(cells))
    unclassed = stained & (cells.kind == UNLABELLED) & ~cells.conflict
    gated = cells.gates.any(axis=1)
    red = np.flatnonzero(stained & (cells.kind == RED))
    found = {
        "red": red if made.protocol == "paper" else np.intersect1d(red, made.test.rows),
        "unknown gate": np.flatnonzero(unclassed & gated),
        "ungated": np.flatnonzero(unclassed & ~gated),
    }
    rng = np.random.default_rng(made.seed)
    drawn = {name: np.sort(rng.permutation(rows)[:most]) for name, rows in found.items()}
    return {name: rows.astype(np.int64) for name, rows in drawn.items() if len(rows)}


def cell_set(cells: PackedCells, rows: I64, kind: I32 | None = None) -> CellSet:
    """Packed cells as the trainer takes them.

    Args:
        cells: Where they are.
        rows: Which, in which order.
        kind: (len(rows),) what each counts as; their own kind by default.

    Returns:
        Targets are the logarithm of the linear level where it may be used and is positive; red cells have none. The
        group is the field of view. Only a simulator would know the truth.
    """
    kind = cells.kind[rows] if kind is None else kind
    images = fraction_of_full_scale(cells.images[rows])
    level = cells.markers[rows]
    with np.errstate(invalid="ignore"):
        mask = cells.marker_mask[rows] & (level > 0) & (kind < WHITE)[:, None]
    log10 = np.log10(level, out=np.zeros_like(level), where=mask)
    return CellSet(
        images=images,
        background=ring_background(images),
        kind=kind.astype(np.int32),
        marker_log10=log10.astype(np.float32),
        marker_mask=mask,
        censored=cells.censored[rows] & mask,
        group=cells.field[rows],
        position=cells.in_field_px[rows] * np.float32(cells.facts.pixel_size_um),
        truth=np.full((len(rows), 2), np.nan, np.float32),
    )


def _labels_said(cells: PackedCells) -> str:
    counts = [int((cells.kind == index).sum()) for index in range(WHITE)]
    return ", ".join(f"{count} {name}s" for count, name in zip(counts, CLASSES, strict=True))
