"""One seed: training, evaluation, and for the first seed what stands beside it; each kept as soon as it is whole."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tqdm import tqdm

from phenostream.trainer.checkpoint import CARD, WEIGHTS, Card
from phenostream.trainer.data.packed import PackedCells
from phenostream.trainer.data.splits import Split
from phenostream.trainer.evaluation.card_metrics import card_metrics
from phenostream.trainer.evaluation.controls.context import add_context, steps
from phenostream.trainer.evaluation.evaluate import evaluate_model
from phenostream.trainer.evaluation.schema.document import DataFacts, Evaluation
from phenostream.trainer.evaluation.subject import open_subject
from phenostream.trainer.reproduce.effort import Effort
from phenostream.trainer.reproduce.kept import is_marked, keep, kept, mark
from phenostream.trainer.reproduce.parts import Parted, parted
from phenostream.trainer.reproduce.stages import Stages
from phenostream.trainer.reproduce.verdicts import REFERENCES
from phenostream.trainer.training.train import train_on
from phenostream.trainer.written_whole import write_whole

_CODE_VERSION: Final = 1
"""Raise it whenever equal cells and effort would give other numbers."""


@dataclass(frozen=True, slots=True)
class SeedRun:
    """What all seeds share.

    Attributes:
        parted: Cells to train on and cells to judge on.
        effort: How long, how many.
        folder: Each seed has a folder in it.
        made_from: Digest of everything that decides the numbers, but the seed.
    """

    parted: Parted
    effort: Effort
    folder: Path
    made_from: str

    @classmethod
    def of(
        cls, cells: PackedCells, made: Split, facts: DataFacts, effort: Effort, folder: Path
    ) -> "SeedRun":
        """Part the cells and name what the numbers come from."""
        chosen = effort.model_dump_json(exclude={"training": {"out", "threads"}})
        source = f"{_CODE_VERSION} {cells.sha256()} {made.sha256(cells)} {chosen}"
        digest = hashlib.sha256(source.encode()).hexdigest()
        return cls(parted(cells, made, facts), effort, folder, digest)


def run_seed(run: SeedRun, seed: int, first: bool, stages: Stages) -> Evaluation:
    """Do what is not done yet for one seed.

    Args:
        run: Shared by all.
        seed: Of weights, order and augmentation.
        first: Also make baselines, controls, ablations and gallery.
        stages: Told.
    """
    folder = run.folder / f"seed-{seed}"
    made_from = f"{run.made_from} {seed}"
    with stages.stage(f"seed {seed}: train") as stage:
        stage.kept = is_marked(folder / WEIGHTS, made_from)
        if not stage.kept:
            settings = run.effort.training.model_copy(update={"seed": seed})
            train_on(run.parted.training, settings, folder)
            mark(folder / WEIGHTS, made_from)
    bare = folder / "performance.json"
    with stages.stage(f"seed {seed}: evaluate") as stage:
        evaluation = kept(bare, Evaluation, made_from)
        stage.kept = evaluation is not None
        if evaluation is None:
            evaluation = _evaluated(run, folder)
            keep(bare, evaluation, made_from)
        stage.detail = _said(evaluation)
    return _beside(run, evaluation, folder, made_from, stages) if first else evaluation


def _evaluated(run: SeedRun, folder: Path) -> Evaluation:
    data = run.parted.judged
    with open_subject(folder) as subject:
        evaluation = evaluate_model(subject, data, run.effort.context.bootstrap)
    if evaluation.headline.refusal is None:
        _tell_card(folder, evaluation)
    return evaluation.model_copy(update={"references": REFERENCES})


def _tell_card(folder: Path, evaluation: Evaluation) -> None:
    """The checkpoint's card gets what was measured, so that a bundle made of it can show it."""
    card = Card.model_validate_json((folder / CARD).read_bytes())
    facts = evaluation.data.facts
    kind = "synthetic cells" if facts.synthetic else "cells"
    metrics = card_metrics(evaluation, f"{kind} of {facts.name}, protocol {facts.protocol}, test")
    text = card.model_copy(update={"metrics": metrics}).model_dump_json(indent=1) + "\n"
    write_whole(folder / CARD, text.encode())


def _beside(
    run: SeedRun, evaluation: Evaluation, folder: Path, made_from: str, stages: Stages
) -> Evaluation:
    path = folder / "evaluation.json"
    with stages.stage("comparisons") as stage:
        whole = kept(path, Evaluation, made_from)
        stage.kept = whole is not None
        if whole is None:
            context = run.effort.context
            with (
                open_subject(folder) as subject,
                tqdm(total=steps(context), desc="comparisons", disable=None, leave=False) as bar,
            ):
                whole = add_context(
                    evaluation, subject, run.parted.judged, context, lambda _name: bar.update()
                )
            keep(path, whole, made_from)
        stage.detail = (
            f"{len(whole.baselines)} baselines, {len(whole.controls)} controls, "
            f"{len(whole.ablations)} ablations"
        )
    return whole


def _said(evaluation: Evaluation) -> str:
    if evaluation.headline.refusal is not None or evaluation.classification is None:
        return "headline refused"
    r = {marker.name: marker.linear.r for marker in evaluation.markers}
    cd16 = r.get("CD16")
    return f"accuracy {evaluation.classification.accuracy.text()}" + (
        "" if cd16 is None else f", r CD16 (linear) {cd16.text()}"
    )
