"""One model on one data set, from the model's folder to the report's files, as a table of contents."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

import torch
from pydantic import Field, model_validator

from phenostream.engine.optics.presets import Preset
from phenostream.trainer.data.bsccm.packer import pack
from phenostream.trainer.data.protocols import Protocol
from phenostream.trainer.data.splits import split
from phenostream.trainer.evaluation.controls.ablations import SHAPES
from phenostream.trainer.evaluation.controls.brief_fit import Budget
from phenostream.trainer.evaluation.controls.context import ContextSettings, add_context, steps
from phenostream.trainer.evaluation.data import EvaluationData
from phenostream.trainer.evaluation.evaluate import evaluate_model
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings
from phenostream.trainer.evaluation.report.files import write_report
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.figure import Closed
from phenostream.trainer.evaluation.simulated_data import simulated_data
from phenostream.trainer.evaluation.subject import Subject, open_subject
from phenostream.trainer.reproduce.data_facts import data_facts
from phenostream.trainer.reproduce.parts import parted
from phenostream.trainer.reproduce.verdicts import REFERENCES

OnStep = Callable[[str], object]
_OWN_STEPS: Final = 3
"""Cells, model, report."""
_SAME_SPLIT: Final = "The model was trained on the training part of this very split."
_OTHER_TRAINING: Final = (
    "The model was not trained on the training part of this split: whether it has seen some of the test cells is not "
    "known, and if it has, its figures are too good."
)


class AssessmentSettings(Closed):
    """What to do.

    Attributes:
        model: Folder of a checkpoint or of a bundle.
        dataset: ``simulated`` or ``bsccm``.
        root: Of BSCCM; with it only.
        protocol: How BSCCM is parted.
        preset: Of the simulator.
        crops: Simulated test crops.
        seed: Of simulated cells, of what is fitted beside the model, and of the bootstrap.
        resamples: Of the bootstrap.
        backend: Row of the backend table, for a bundle.
        comparisons: Also baselines, controls and gallery.
        ablations: Also train the ablations, which takes longest.
        threads: Cores that torch may use.
        out: Folder for the report and for what was made on the way.
        command: As typed.
    """

    model: Path
    dataset: Literal["simulated", "bsccm"]
    root: Path | None = None
    protocol: Protocol = "clean"
    preset: Preset = "hard"
    crops: Annotated[int, Field(ge=60, le=200_000)] = 6_000
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1_000
    backend: str = "auto"
    comparisons: bool = True
    ablations: bool = True
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    out: Path
    command: str | None = None

    @model_validator(mode="after")
    def _root_with_bsccm_only(self) -> "AssessmentSettings":
        if (self.dataset == "bsccm") != (self.root is not None):
            raise ValueError("root: given with dataset bsccm, and with it only")
        return self

    @property
    def context(self) -> ContextSettings:
        """What is made beside the model's own figures."""
        return ContextSettings(
            bootstrap=BootstrapSettings(resamples=self.resamples, seed=self.seed),
            budget=Budget(seed=self.seed),
            shapes=tuple(SHAPES) if self.ablations else (),
        )

    @property
    def steps(self) -> int:
        """How often `assess` calls `on_step`."""
        return _OWN_STEPS + (steps(self.context) if self.comparisons else 0)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What came of it, and the files that hold it."""

    evaluation: Evaluation
    files: dict[str, Path]


def assess(settings: AssessmentSettings, on_step: OnStep = lambda name: None) -> Assessment:
    """Make or read the cells, ask the model, put beside it what needs no model, and write the report.

    Args:
        settings: What to do.
        on_step: Called with a name after each step.

    Raises:
        BadInput: The model or the data set cannot be used.
        EngineFault: The model failed on these cells.
        OSError: A file cannot be written.
    """
    torch.set_num_threads(settings.threads)
    with open_subject(settings.model, settings.backend) as subject:
        data = _cells(settings, subject)
        on_step("cells")
        evaluation = evaluate_model(subject, data, settings.context.bootstrap)
        on_step("model")
        if settings.comparisons:
            evaluation = add_context(evaluation, subject, data, settings.context, on_step)
    provenance = evaluation.provenance.model_copy(update={"command": settings.command})
    references = () if settings.root is None else REFERENCES
    evaluation = evaluation.model_copy(update={"provenance": provenance, "references": references})
    files = write_report(evaluation, settings.out)
    on_step("report")
    return Assessment(evaluation, files)


def _cells(settings: AssessmentSettings, subject: Subject) -> EvaluationData:
    cache = settings.out / "data"
    if settings.root is None:
        return simulated_data(settings.preset, settings.crops, settings.seed, cache)
    cache.mkdir(parents=True, exist_ok=True)
    cells = pack(settings.root, cache / "packed.npz")
    made = split(cells, settings.protocol)
    data = parted(cells, made, data_facts(cells, made, settings.protocol)).judged
    note = _SAME_SPLIT if subject.data_sha256 == data.train.sha256() else _OTHER_TRAINING
    facts = data.facts.model_copy(update={"notes": (*data.facts.notes, note)})
    return replace(data, facts=facts)
