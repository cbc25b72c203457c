"""What a report says about BSCCM cells and how they were parted, for people who were not there."""

from collections.abc import Iterable

from phenostream.trainer.data.packed import PackedCells, PackFacts
from phenostream.trainer.data.splits import Split
from phenostream.trainer.evaluation.schema.document import DataFacts


def data_facts(cells: PackedCells, made: Split | None, protocol: str) -> DataFacts:
    """Facts of packed cells under one split.

    Args:
        cells: All of them.
        made: Their split; None where they could not be parted.
        protocol: Its name.
    """
    facts = cells.facts
    hashes = dict(facts.source_sha256) | {"packed cells": cells.sha256()}
    if made is not None:
        hashes["split"] = made.sha256(cells)
    return DataFacts(
        name=facts.source if facts.variant in facts.source else f"{facts.source} ({facts.variant})",
        synthetic=facts.synthetic,
        protocol=protocol,
        hashes=hashes,
        rows=facts.cells_in_index,
        labelled_before=facts.listings,
        labelled_after=facts.labelled,
        conflicts=facts.conflicts,
        near_pairs=facts.near_in_field,
        present=_present(facts),
        pixel_size_um=facts.pixel_size_um,
        objective=_objective(facts),
        supervised=facts.usable,
        at_floor=facts.at_floor,
        notes=(*_pack_notes(facts), *(_split_notes(made) if made else ())),
    )


def _present(facts: PackFacts) -> dict[str, str]:
    conditions = {name.rsplit(", ", 1)[0] for name in facts.in_index}
    batches = {name.rsplit(", ", 1)[1] for name in facts.in_index}
    return {
        "conditions": ", ".join(sorted(conditions)),
        "batches": ", ".join(sorted(batches)),
        "slides": str(facts.slides),
        "fields of view": str(facts.fields),
        "cells packed": ", ".join(f"{name}: {count}" for name, count in facts.packed.items()),
    }


def _objective(facts: PackFacts) -> str | None:
    said = [
        f"NA {facts.objective_na:g}" if facts.objective_na is not None else "",
        f"{facts.wavelength_nm:g} nm" if facts.wavelength_nm is not None else "",
    ]
    return ", ".join(filter(None, said)) or None


def _pack_notes(facts: PackFacts) -> Iterable[str]:
    yield (
        "Class labels are hand-drawn gates on the same fluorescence channels that are the marker targets: both tasks "
        "share one measurement."
    )
    if facts.synthetic:
        yield "Synthetic: every cell was simulated; no figure here is evidence about blood."
    if not facts.pixel_size_stated:
        yield f"Pixel size not stated by the data set: {facts.pixel_size_um:g} µm taken."
    yield (
        f"{facts.in_several_gates} cells in several gates; {facts.class_and_unknown} in a class gate and in one of "
        f"unknown cells; {facts.same_images} have another cell's image."
    )
    across = ", ".join(f"{signs} {count}" for signs, count in facts.near_across_fields.items())
    if across:
        yield f"Pairs less than 3 µm apart across fields, by the sign of the stage (one can be true): {across}."
    missing = {name: count for name, count in facts.missing.items() if count}
    if missing:
        yield f"Targets that should be there and are not finite: {missing}."


def _split_notes(made: Split) -> Iterable[str]:
    sizes = ", ".join(f"{name} {len(part)}" for name, part in made.parts().items())
    yield f"Split {made.protocol}, seed {made.seed}: {sizes}."
    left_out = ", ".join(f"{count} {why}" for why, count in made.left_out.items() if count)
    if left_out:
        yield f"Labelled cells in no part: {left_out}."
    if made.protocol == "paper":
        yield (
            f"Random by entry of the gate lists, duplicates kept, as published: {made.shared} test cells are also in "
            "another part. Calibrated on the cells the epoch was selected on. In which order the authors' code listed "
            "the cells cannot be checked, so that single cells may stand in another part."
        )
    if made.protocol == "slide":
        yield "Calibrated on cells of the training slides: intervals need not hold on the tested one."
    few = [f"{count} {name}s" for name, count in made.test.counts().items() if count < 100]
    if few and made.protocol != "condition":
        yield f"Few test cells, and so wide intervals: {', '.join(few)}."
