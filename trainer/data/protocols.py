"""The ways to part labelled cells into train, select, calibrate and test, one function each (SPEC a.7, g.3).

Labelled cells are those in gates of one kind only (three classes, and red cells to learn rejection from), stained with
all antibodies, of the one batch that was gated. `splits.split` calls these and looks again that no cell is in two
parts.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, I32, U8
from phenostream.trainer.data.bsccm.layout import ANTIBODIES, GATES, IN_TUBE, RED
from phenostream.trainer.data.cell_set import UNLABELLED, WHITE
from phenostream.trainer.data.field_blocks import MARGIN, Fields, blocks_of_fields
from phenostream.trainer.data.packed import I64, PackedCells

Protocol = Literal["paper", "clean", "fov", "slide", "condition"]
PROTOCOLS: Final[tuple[Protocol, ...]] = get_args(Protocol)
SHARES: Final = (0.70, 0.05, 0.10, 0.15)
"""Of the labelled cells that train, select, calibrate and test."""
ALL: Final = ANTIBODIES.index("all")
_PAPER_TRAIN: Final = 0.7


class TooFewCells(BadInput):
    """The data are sound, but too small for four parts of this kind."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows of `PackedCells` and the kind each counts as; only `paper` has a row twice, perhaps as two kinds."""

    rows: I64
    kind: I32

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> "Chosen":
        """Some of them."""
        return Chosen(self.rows[places], self.kind[places])

    def counts(self) -> dict[str, int]:
        """Cells by class."""
        return {name: int((self.kind == index).sum()) for index, name in enumerate(CLASSES)}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a protocol makes: four parts, and how many labelled cells are in none, by reason."""

    train: Chosen
    select: Chosen
    calibrate: Chosen
    test: Chosen
    left_out: dict[str, int]


def paper(cells: PackedCells, seed: int) -> Parts:
    """As train.py of the published code parts: by entry of the gate lists, 70/15/15, stratified (SPEC a.7).

    A cell in two gates is listed twice. The list is gate by gate, and within a gate in the order of the table. The
    share left by training is ``1 - 0.7``, more than 0.3 in floating point, which moves a cell now and then. There is no
    part to calibrate on: it is the one to select on.
    """
    listed = [
        (np.flatnonzero(cells.gates[:, place]), gate.group)
        for place, gate in enumerate(GATES)
        if gate.group < WHITE
    ]
    entries = Chosen(
        np.concatenate([rows for rows, _ in listed]).astype(np.int64),
        np.concatenate([np.full(len(rows), group, np.int32) for rows, group in listed]),
    )
    train, rest = _stratified(entries, 1 - _PAPER_TRAIN, seed)
    select, test = _stratified(rest, 0.5, seed)
    return Parts(train, select, select, test, {})


def clean(cells: PackedCells, seed: int) -> Parts:
    """By cell, each once, at random within each kind."""
    labelled, left_out = _labelled(cells)
    train, select, calibrate, test = _by_share(labelled, SHARES, seed)
    return Parts(train, select, calibrate, test, left_out)


def fov(cells: PackedCells, seed: int) -> Parts:
    """By field of view, at least one field apart."""
    labelled, left_out = _labelled(cells)
    fields, first, of = np.unique(
        cells.field[labelled.rows], return_index=True, return_inverse=True
    )
    counts = np.zeros((len(fields), RED + 1))
    np.add.at(counts, (of, labelled.kind), 1)
    rows = labelled.rows[first]
    known = Fields(cells.slide[rows], cells.field_um[rows], counts)
    part = blocks_of_fields(known, SHARES, seed)[of]
    train, select, calibrate, test = (labelled.take(part == index) for index in range(len(SHARES)))
    left_out["margin between fields"] = int((part == MARGIN).sum())
    return Parts(train, select, calibrate, test, left_out)


def slide(cells: PackedCells, seed: int) -> Parts:
    """One whole slide to test on, the one nearest to its share; the others at random. Calibrated on the others."""
    labelled, left_out = _labelled(cells)
    of = cells.slide[labelled.rows]
    whole = [
        (abs(float((of == one).mean()) - SHARES[-1]), int(one))
        for one in np.unique(of)
        if all(labelled.take(of == one).counts().values())
    ]
    if len(np.unique(of)) < 2 or not whole:
        raise TooFewCells(
            f"protocol slide: labelled cells of every class on {len(whole)} of {len(np.unique(of))} slides; needs at "
            "least 2 slides, and one of them with every class"
        )
    tested = of == min(whole)[1]
    train, select, calibrate = _by_share(labelled.take(~tested), SHARES[:-1], seed)
    return Parts(train, select, calibrate, labelled.take(tested), left_out)


def condition(cells: PackedCells, seed: int) -> Parts:
    """As `clean`, but tested on the same batch's cells stained with CD45 or CD16 alone, which have no class."""
    labelled, left_out = _labelled(cells)
    single = [
        ANTIBODIES.index(name) for name, tube in IN_TUBE.items() if any(tube) and not all(tube)
    ]
    alone = np.isin(cells.condition, single) & (cells.batch == labelled_batch(cells))
    rows = np.flatnonzero(alone & cells.marker_mask.any(axis=1)).astype(np.int64)
    known = image_hashes(cells.images[labelled.rows])
    rows = rows[~np.isin(image_hashes(cells.images[rows]), known)]
    if not len(rows):
        raise TooFewCells("protocol condition: no cells stained with CD45 or CD16 alone")
    tested = Chosen(rows, np.full(len(rows), UNLABELLED, np.int32))
    train, select, calibrate = _by_share(labelled, SHARES[:-1], seed)
    return Parts(train, select, calibrate, tested, left_out)


def labelled_batch(cells: PackedCells) -> int:
    """The batch whose cells were gated."""
    return int(np.bincount(cells.batch[cells.gates.any(axis=1)], minlength=1).argmax())


def image_hashes(images: U8) -> npt.NDArray[np.str_]:
    """(N,) a hash of each image's bytes."""
    digests = [hashlib.blake2b(one.tobytes(), digest_size=16).hexdigest() for one in images]
    return np.array(digests, dtype="<U32")


def _labelled(cells: PackedCells) -> tuple[Chosen, dict[str, int]]:
    """Cells with one kind, each image once; and how many were left out why."""
    stained = (cells.condition == ALL) & (cells.batch == labelled_batch(cells))
    gated = cells.kind >= 0
    rows = np.flatnonzero(gated & stained)
    _, first = np.unique(image_hashes(cells.images[rows]), return_index=True)
    kept = rows[np.sort(first)].astype(np.int64)
    left_out = {
        "gates of two kinds": int((cells.conflict & stained).sum()),
        "another batch or staining": int((gated & ~stained).sum()),
        "image of another cell": len(rows) - len(kept),
    }
    return Chosen(kept, cells.kind[kept]), left_out


def _by_share(labelled: Chosen, shares: tuple[float, ...], seed: int) -> list[Chosen]:
    """Each kind shuffled and cut by the shares, rounded; rows in their old order."""
    rng = np.random.default_rng(seed)
    ends = np.cumsum(shares) / sum(shares)
    part = np.empty(len(labelled), np.int64)
    for kind in np.unique(labelled.kind):
        own = rng.permutation(np.flatnonzero(labelled.kind == kind))
        cuts = np.round(ends[:-1] * len(own)).astype(int)
        part[own] = np.searchsorted(cuts, np.arange(len(own)), side="right")
    return [labelled.take(part == index) for index in range(len(shares))]


def _stratified(entries: Chosen, share: float, seed: int) -> tuple[Chosen, Chosen]:
    """scikit-learn's stratified random split: the rest, and `share`."""
    from sklearn.model_selection import train_test_split

    try:
        first, second = train_test_split(
            np.arange(len(entries)), test_size=share, stratify=entries.kind, random_state=seed
        )
    except ValueError as err:
        said = ", ".join(f"{name} {count}" for name, count in entries.counts().items())
        raise TooFewCells(f"protocol paper: {said}: too few to part by class ({err})") from err
    return entries.take(first), entries.take(second)
