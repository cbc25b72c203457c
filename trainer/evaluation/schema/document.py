"""The whole of an evaluation as one closed document: what is written as JSON, rendered, and compared (SPEC g.4).

One `Evaluation` is one model on one data set. What the model does on test cells is in `performance`; what stands beside
it (baselines, controls, ablations, gallery, references) in `comparisons`, empty until it is added with
`model_copy(update=...)`. Several seeds are a `reproduction`. A missing figure is None; a missing section None or empty.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from phenostream.trainer.evaluation.schema.comparisons import (
    Ablation,
    Baseline,
    Control,
    Gallery,
    Reference,
)
from phenostream.trainer.evaluation.schema.figure import Closed, Count, Share
from phenostream.trainer.evaluation.schema.performance import (
    CalibrationFigures,
    Classification,
    MarkerFigures,
    Outliers,
)


class DataFacts(Closed):
    """What is known of a data set beyond its test cells; None or empty where nobody knows or it does not apply.

    Attributes:
        name: Variant, such as ``BSCCMNIST`` or ``simulated, preset hard``.
        synthetic: Simulated, wholly or in part; every section then says so.
        protocol: How it was split: ``simulated``, ``paper``, ``clean``, ``fov``, ``slide`` or ``condition``.
        hashes: Named SHA-256 of sources, packed cells and split.
        rows: Cells of the variant, labelled or not.
        labelled_before: Labelled cells per class as listed by the gates, a cell in two gates twice.
        labelled_after: The same, each cell once and without conflicts.
        conflicts: Cells in gates of two different classes.
        near_pairs: Pairs of cells less than 3 µm apart: perhaps the same cell twice.
        present: Conditions, batches, slides and fields of view, as lists of names or counts.
        pixel_size_um: Of the instrument, at the sample.
        objective: For a person, such as ``NA 0.5``.
        supervised: Cells per marker whose antibody was in the tube and whose value is finite.
        at_floor: Share of those at the column's floor.
        donors: Almost always ``unknown``.
        notes: Anything a reader must know before believing a figure.
    """

    name: str
    synthetic: bool
    protocol: str
    hashes: dict[str, str] = Field(default_factory=dict)
    rows: Count | None = None
    labelled_before: dict[str, Count] = Field(default_factory=dict)
    labelled_after: dict[str, Count] = Field(default_factory=dict)
    conflicts: Count | None = None
    near_pairs: Count | None = None
    present: dict[str, str] = Field(default_factory=dict)
    pixel_size_um: Annotated[float, Field(gt=0)] | None = None
    objective: str | None = None
    supervised: dict[str, Count] = Field(default_factory=dict)
    at_floor: dict[str, Share] = Field(default_factory=dict)
    donors: str = "unknown"
    notes: tuple[str, ...] = ()


class PartCounts(Closed):
    """One part of the split.

    Attributes:
        name: ``train``, ``test``, or ``outliers: <kind>``.
        cells: Rows.
        fields: Fields of view they come from.
        kinds: Cells per kind, those of no known kind under ``unlabelled``.
        sha256: Of the cells' content.
    """

    name: str
    cells: Count
    fields: Count
    kinds: dict[str, Count]
    sha256: str


class DataSection(Closed):
    """Where the figures come from."""

    facts: DataFacts
    parts: tuple[PartCounts, ...]


class SubjectFacts(Closed):
    """The model that was judged.

    Attributes:
        name: With its version.
        synthetic: Some weight was trained on simulated cells.
        source: ``checkpoint`` or ``bundle``.
        identity: SHA-256 of the weights file or of the manifest.
        runtime: What computed it, such as ``torch fp32`` or ``openvino bf16``.
        calibrated: The bundle claims so.
        marker_unit: Of estimates.
        parameters: Trainable numbers; None where unknown.
    """

    name: str
    synthetic: bool
    source: Literal["checkpoint", "bundle"]
    identity: str
    runtime: str
    calibrated: bool
    marker_unit: str
    parameters: Count | None = None


class Headline(Closed):
    """The few sentences a person reads first, or why there are none.

    Attributes:
        refusal: Why no headline may be printed (a test class has fewer than 30 cells); then there are no lines.
        lines: Whole sentences with figures and intervals.
    """

    refusal: str | None
    lines: tuple[str, ...]


class Provenance(Closed):
    """How to get the same document again.

    Attributes:
        command: As typed, where there was one.
        seed: Of training; None where unknown.
        bootstrap_seed: Of the intervals.
        resamples: Of the intervals.
        versions: Of phenostream and the libraries that compute.
        settings: Of training, as stored with the model.
    """

    command: str | None = None
    seed: int | None = None
    bootstrap_seed: int
    resamples: Count
    versions: dict[str, str]
    settings: dict[str, JsonValue] = Field(default_factory=dict)


class Evaluation(Closed):
    """One model on one data set."""

    format_version: Literal[1] = 1
    subject: SubjectFacts
    data: DataSection
    headline: Headline
    classification: Classification | None
    calibration: CalibrationFigures | None
    markers: tuple[MarkerFigures, ...]
    outliers: Outliers | None
    baselines: tuple[Baseline, ...] = ()
    controls: tuple[Control, ...] = ()
    ablations: tuple[Ablation, ...] = ()
    gallery: Gallery | None = None
    references: tuple[Reference, ...] = ()
    provenance: Provenance

    @property
    def synthetic(self) -> bool:
        """The model or the cells are simulated; whoever shows a figure says so."""
        return self.subject.synthetic or self.data.facts.synthetic
