"""Scores the detector of stained white cells on smear fields with boxes: recall, precision, false finds a field.

A find is right where it covers a marked white cell with an intersection over union of 0.5 or more; strongest finds
first, each marked cell once (the rule of Pascal VOC). Whatever else is found is false, also a white cell that nobody
marked. Intervals are 95 %, bootstrapped over fields. The detector's settings were chosen on half of the public fields:
these are known by their content, and are scored apart from all others.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np

from phenostream.deploy.bench.field_boxes import WHITE
from phenostream.deploy.bench.field_pictures import (
    Field,
    LeftOut,
    annotations,
    read_field,
    unannotated,
)
from phenostream.deploy.bench.rates import rate
from phenostream.engine.boxes import overlap
from phenostream.engine.errors import BadInput
from phenostream.engine.stained import find_white_cells
from phenostream.engine.types import F32, Bool
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples
from phenostream.trainer.evaluation.schema.figure import Closed, Figure

MATCH: Final = 0.5
LEAST_RECALL: Final = 0.95
MOST_FALSE_PER_FIELD: Final = 0.2
ALL, CHOSEN_ON, OTHERS = "all", "settings chosen on", "not chosen on"
_CHOSEN_ON_FILE: Final = "fields_chosen_on.json"
_HASH_LETTERS: Final = 12


@dataclass(frozen=True, slots=True)
class FieldOutcome:
    """What became of one field.

    Attributes:
        annotation: Its file.
        chosen_on: The detector's settings were chosen on it, among others.
        marked: (T, 4) boxes of marked white cells.
        covered: (T,) best overlap of a find with each.
        hit: (T,) whether it was found.
        found: (M, 4) finds, strongest first.
        right: (M,) whether each is a marked white cell.
        taken_for: For each false find the name of the other object marked there, or nothing.
        ms: Time of the detector, without reading.
    """

    annotation: Path
    chosen_on: bool
    marked: F32
    covered: F32
    hit: Bool
    found: F32
    right: Bool
    taken_for: tuple[str, ...]
    ms: float

    @property
    def name(self) -> str:
        """Of its files, without the ending."""
        return self.annotation.stem

    @property
    def wrong(self) -> bool:
        """A cell was missed or a find is false."""
        return not (self.hit.all() and self.right.all())

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "field": self.name,
            "chosen_on": self.chosen_on,
            "missed": self.marked[~self.hit].round(1).tolist(),
            "false": self.found[~self.right].round(1).tolist(),
            "taken_for": self.taken_for,
        }


class PartScore(Closed):
    """The figures of some of the fields; None where there is nothing to count.

    Attributes:
        part: Which fields.
        fields: How many.
        marked: White cells marked in them.
        found: Finds.
        recall: Share of the marked that were found.
        precision: Share of the finds that are marked white cells.
        false_per_field: Mean number of other finds.
        overlap: Median intersection over union of right finds with the marked box.
    """

    part: str
    fields: int
    marked: int
    found: int
    recall: Figure | None
    precision: Figure | None
    false_per_field: Figure | None
    overlap: float | None


@dataclass(frozen=True, slots=True)
class FieldsScore:
    """The score of a folder.

    Attributes:
        outcomes: Of every field that was read.
        left_out: The others.
        notes: What else a reader must know, one line each.
        cell_px: Height and width of a white cell that the detector was told.
        parts: All fields, then those the settings were chosen on and those not, where there are both.
        ms_per_field: Median time of the detector.
    """

    outcomes: tuple[FieldOutcome, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    cell_px: float
    parts: tuple[PartScore, ...]
    ms_per_field: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; boxes in pixels, of the fields where something is wrong."""
        return {
            "cell_px": self.cell_px,
            "ms_per_field": round(self.ms_per_field, 3),
            "parts": [part.model_dump(mode="json") for part in self.parts],
            "wrong": [one.as_dict() for one in self.outcomes if one.wrong],
            "left_out": {one.name: one.reason for one in self.left_out},
            "notes": self.notes,
        }

    def shortfalls(self) -> list[str]:
        """What misses its mark over all fields, one line each. An absent figure misses nothing."""
        whole, lines = self.parts[0], []
        if whole.recall is not None and whole.recall.value < LEAST_RECALL:
            lines.append(f"recall {whole.recall.value:.3f}: at least {LEAST_RECALL}")
        false = whole.false_per_field
        if false is not None and false.value > MOST_FALSE_PER_FIELD:
            lines.append(f"false finds a field {false.value:.3f}: at most {MOST_FALSE_PER_FIELD}")
        return lines


def score_fields(
    folder: Path, cell_px: float, on_field: Callable[[int], object] = lambda step: None
) -> FieldsScore:
    """Score every field of a folder.

    Args:
        folder: Of pictures and annotations.
        cell_px: Diameter of a typical white cell in these pictures.
        on_field: Called with 1 for every field, for a progress bar.

    Raises:
        BadInput: No such folder, no annotation, or no field of it can be used.
        BadFrame: The cell's size makes no sense for these pictures.
    """
    paths, known = annotations(folder), _chosen_on()
    outcomes: list[FieldOutcome] = []
    left_out: list[LeftOut] = []
    notes = [f"{name}: no annotation, left out" for name in unannotated(paths)]
    for path in paths:
        field = read_field(path)
        if isinstance(field, Field):
            notes += [f"{field.annotation.stem}: {line}" for line in field.boxes.dropped]
            outcomes.append(score_field(field, cell_px, field.sha256[:_HASH_LETTERS] in known))
        else:
            left_out.append(field)
        on_field(1)
    if not outcomes:
        first = left_out[0]
        raise BadInput(f"{folder}: none of {len(paths)} fields can be used; first {first.reason}")
    if not any(len(one.marked) for one in outcomes):
        notes.append(f"no field has a box named {WHITE}: there is no recall")
    milliseconds = float(np.median([one.ms for one in outcomes]))
    return FieldsScore(
        tuple(outcomes), tuple(left_out), tuple(notes), cell_px, _parts(outcomes), milliseconds
    )


def score_field(field: Field, cell_px: float, chosen_on: bool) -> FieldOutcome:
    """Detect and score one field."""
    start = perf_counter()
    found = find_white_cells(field.picture, (cell_px, cell_px)).box
    ms = (perf_counter() - start) * 1e3
    marked = field.boxes.of(WHITE)
    shared = overlap(found, marked)
    hit, right = np.zeros(len(marked), bool), np.zeros(len(found), bool)
    for find in range(len(found)):
        # As in VOC: the marked cell that the find covers best, and a second find of it is false.
        best = int(shared[find].argmax()) if len(marked) else -1
        if best >= 0 and shared[find, best] >= MATCH and not hit[best]:
            hit[best] = right[find] = True
    return FieldOutcome(
        annotation=field.annotation,
        chosen_on=chosen_on,
        marked=marked,
        covered=shared.max(axis=0, initial=0),
        hit=hit,
        found=found,
        right=right,
        taken_for=tuple(_other_name(field, box) for box in found[~right]),
        ms=ms,
    )


def summarised(part: str, outcomes: Sequence[FieldOutcome]) -> PartScore:
    """The figures of some fields, with intervals over fields."""
    draws = Resamples.of(np.arange(len(outcomes), dtype=np.int32), BootstrapSettings())
    of_marked = np.repeat(np.arange(len(outcomes)), [len(one.marked) for one in outcomes])
    of_found = np.repeat(np.arange(len(outcomes)), [len(one.found) for one in outcomes])
    hit = np.concatenate([one.hit for one in outcomes])
    right = np.concatenate([one.right for one in outcomes])
    covered = np.concatenate([one.covered for one in outcomes])
    return PartScore(
        part=part,
        fields=len(outcomes),
        marked=len(hit),
        found=len(right),
        recall=draws.select(of_marked).share(hit),
        precision=draws.select(of_found).share(right),
        false_per_field=rate(draws, np.array([(~one.right).sum() for one in outcomes])),
        overlap=float(np.median(covered[hit])) if hit.any() else None,
    )


def _parts(outcomes: list[FieldOutcome]) -> tuple[PartScore, ...]:
    by_part = {
        ALL: outcomes,
        CHOSEN_ON: [one for one in outcomes if one.chosen_on],
        OTHERS: [one for one in outcomes if not one.chosen_on],
    }
    return tuple(summarised(part, chosen) for part, chosen in by_part.items() if chosen)


def _other_name(field: Field, box: F32) -> str:
    """The other kind of object that is marked where a false find lies; nothing where none is."""
    best = {
        name: float(overlap(box[None], boxes).max())
        for name, boxes in field.boxes.boxes.items()
        if name != WHITE
    }
    name = max(best, key=lambda key: best[key], default="")
    return name if name and best[name] >= MATCH else ""


def _chosen_on() -> frozenset[str]:
    """Hashes of the pictures that the detector's settings were chosen on, shortened."""
    text = resources.files(__package__).joinpath(_CHOSEN_ON_FILE).read_text("utf-8")
    return frozenset(json.loads(text)["sha256"])
