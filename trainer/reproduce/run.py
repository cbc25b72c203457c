"""A reproduction as a table of contents: pack, part, each seed, compare, report.

Everything is kept as soon as it is whole (`kept`): a run that was killed goes on, and a finished one only reads.
Numbers never make it fail; parts that overlap do (`EngineFault`), and so does bad input.
"""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import MARKERS
from phenostream.trainer.calibration.calibrate import refuse_few
from phenostream.trainer.data.bsccm.packer import pack
from phenostream.trainer.data.packed import PackedCells
from phenostream.trainer.data.protocols import PROTOCOLS, TooFewCells
from phenostream.trainer.data.splits import Split, cell_set, split
from phenostream.trainer.evaluation.report.files import (
    NUMBERS,
    PAGE,
    SUMMARY,
    read_report,
    write_report,
)
from phenostream.trainer.evaluation.schema.document import DataFacts, Evaluation
from phenostream.trainer.evaluation.schema.reproduction import Reproduction
from phenostream.trainer.reproduce.data_facts import data_facts
from phenostream.trainer.reproduce.effort import effort
from phenostream.trainer.reproduce.kept import is_marked, mark
from phenostream.trainer.reproduce.seed_run import SeedRun, run_seed
from phenostream.trainer.reproduce.settings import ReproduceSettings
from phenostream.trainer.reproduce.spread import gaps_between, spread_of
from phenostream.trainer.reproduce.stages import Stages, Tell
from phenostream.trainer.reproduce.verdicts import Standing, verdicts


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run leaves behind: the document, and the files that hold it."""

    reproduction: Reproduction
    files: dict[str, Path]


def reproduce(settings: ReproduceSettings, tell: Tell) -> Finished:
    """Do what is not done yet, and report.

    Args:
        settings: What to do.
        tell: Is given each stage as it ends.

    Raises:
        BadInput: The data set or the folder cannot be used.
        EngineFault: A check of the procedure failed, such as parts that overlap.
        OSError: A file cannot be written; what was whole before stays so.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    stages = Stages(tell, _work(settings))
    with _alone(settings.folder):
        with stages.stage("pack") as stage:
            stage.kept = settings.packed.exists()
            cells = pack(settings.bsccm, settings.packed)
            stage.detail = f"{len(cells):,} of {cells.facts.cells_in_index:,} cells"
        with stages.stage("split") as stage:
            made, refusal = _parted(cells, settings)
            stage.detail = refusal or _sizes(made)
        facts = data_facts(cells, made, settings.protocol)
        evaluations: list[Evaluation] = []
        if made is not None and refusal is None:
            run = SeedRun.of(cells, made, facts, effort(settings), settings.folder)
            numbers = settings.seed_numbers
            evaluations = [run_seed(run, seed, seed == numbers[0], stages) for seed in numbers]
        with stages.stage("report") as stage:
            document = _document(settings, facts, evaluations, refusal)
            files, stage.kept = _reported(document, settings.folder)
            stage.detail = str(files["html"])
    return Finished(document, files)


def _parted(cells: PackedCells, settings: ReproduceSettings) -> tuple[Split | None, str | None]:
    """The split, or why nothing can be trained on these cells."""
    try:
        made = split(cells, settings.protocol)
    except TooFewCells as err:
        return None, str(err)
    usable = cells.marker_mask[made.train.rows].any(axis=0)
    absent = [MARKERS[marker] for marker in np.flatnonzero(~usable)]
    if absent:
        raise BadInput(
            f"{settings.bsccm}: no usable target of {', '.join(absent)} in the part 'train'"
        )
    try:
        refuse_few(cell_set(cells, made.calibrate.rows, made.calibrate.kind))
    except BadInput as err:
        return made, str(err)
    return made, None


def _document(
    settings: ReproduceSettings,
    facts: DataFacts,
    evaluations: list[Evaluation],
    refusal: str | None,
) -> Reproduction:
    spread = spread_of(evaluations)
    own = Reproduction(
        protocol=settings.protocol,
        quick=settings.quick,
        synthetic=facts.synthetic,
        seeds=settings.seed_numbers if evaluations else (),
        data=facts,
        refusal=refusal,
        evaluations=tuple(_with_command(one, settings.command) for one in evaluations),
        spread=spread,
        checks=_checks(facts) if evaluations else {},
        notes=() if evaluations else (_counted(facts), *facts.notes),
    )
    standing = Standing(settings.protocol, facts.synthetic, settings.quick)
    said = verdicts(spread, next(iter(own.refusals), None), standing)
    gaps = gaps_between([own, *_others(settings, facts)])
    return own.model_copy(update={"verdicts": said, "gaps": gaps})


def _with_command(evaluation: Evaluation, command: str) -> Evaluation:
    provenance = evaluation.provenance.model_copy(update={"command": command})
    return evaluation.model_copy(update={"provenance": provenance})


def _reported(document: Reproduction, folder: Path) -> tuple[dict[str, Path], bool]:
    """The report's files, and whether they were there already; the summary is written last, and marked."""
    made_from = hashlib.sha256(document.model_dump_json().encode()).hexdigest()
    files = {"json": folder / NUMBERS, "html": folder / PAGE, "markdown": folder / SUMMARY}
    if is_marked(files["markdown"], made_from) and all(path.is_file() for path in files.values()):
        return files, True
    files = write_report(document, folder)
    mark(files["markdown"], made_from)
    return files, False


def _counted(facts: DataFacts) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in facts.labelled_after.items())
    return f"Labelled cells, each once and without conflicts: {counts}; of {facts.rows} cells in the index."


def _checks(facts: DataFacts) -> dict[str, bool]:
    """What was looked at before anything was trained; a check that failed has ended the run."""
    if facts.protocol == "paper":
        return {"the published split: duplicates kept, counted in the notes": True}
    return {"no cell in two parts": True, "no image in two parts": True}


def _others(settings: ReproduceSettings, facts: DataFacts) -> Iterator[Reproduction]:
    """Finished runs of the other protocols on the same cells, just as quick."""
    for protocol in PROTOCOLS:
        folder = settings.model_copy(update={"protocol": protocol}).folder
        if protocol == settings.protocol or not (folder / NUMBERS).is_file():
            continue
        other = read_report(folder)
        if isinstance(other, Reproduction) and _same_cells(other, facts):
            yield other


def _same_cells(other: Reproduction, facts: DataFacts) -> bool:
    name = "packed cells"
    return other.data is not None and other.data.hashes.get(name) == facts.hashes[name]


def _sizes(made: Split | None) -> str:
    parts = made.parts().items() if made is not None else ()
    return ", ".join(f"{name} {len(part):,}" for name, part in parts)


def _work(settings: ReproduceSettings) -> dict[str, float]:
    """What each stage that takes long costs beside a training of one seed, for the estimate."""
    work = {"comparisons": 1.0}
    for seed in settings.seed_numbers:
        work |= {f"seed {seed}: train": 1.0, f"seed {seed}: evaluate": 0.1}
    return work


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other run in the same folder; the lock goes with the process, however it ends.

    Raises:
        BadInput: Another process has it.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise BadInput(f"{folder}: another reproduction is running in it") from err
        yield
