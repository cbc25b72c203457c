"""The bundle's manifest: everything that says how to feed a model and how to read what it says.

Closed schema: an unknown key, a missing one or an impossible value refuses the bundle. Knows no
file; `bundle` reads it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from phenostream.engine.adaptation_facts import NORMALISATION_FILE, Adapted, Normalisation
from phenostream.engine.closed import Closed, Sha256
from phenostream.engine.types import SHOTS, ReductionKernel

FORMAT_VERSION = 1

INT8_FILES: Final = frozenset({"model.int8.onnx", "golden.int8.npz"})
"""What a bundle with an int8 graph of this program has: the graph, and what it says of the golden crops."""
POPULATION_FILE: Final = "population.npz"
"""What the model said of the population that it was trained for."""
SEAL: Final = "seal_sha256"
"""Key of the file that guards the manifest itself: a changed digit is found like a changed byte of a model."""

_HalfWidth = Annotated[float, Field(ge=0)]
_PerMarker = tuple[_HalfWidth, _HalfWidth, _HalfWidth, _HalfWidth]
_Share = Annotated[float, Field(ge=0.001, lt=1)]
_SetThreshold = Annotated[float, Field(ge=0, le=1 / 3)]
_Part = Annotated[float, Field(ge=0, le=1)]
Precision = Literal["fp32", "fp16", "bf16", "int8"]
COVERAGE_METRIC: Final = "interval coverage"
"""Name of a metric, followed by a marker's: share of true values inside the marker's interval."""
ACCURACY_METRIC: Final = "class accuracy, rejected counted wrong"
SHARES_SLACK: Final = 0.001
"""How far the shares of a prior may be from 1 in all."""
_FITTED: Final = ("interval_half_width_z", "ood_threshold", "reject_threshold")
_HEADLINE: Final = (ACCURACY_METRIC, "ECE", "reject AUROC")


class FileEntry(Closed):
    """One file of the bundle, by its hash and size in bytes."""

    sha256: Sha256
    size: Annotated[int, Field(gt=0, le=256 << 20)]


class Prior(Closed):
    """Shares of the classes in the population that `class_probability` holds for, in the order of the classes.

    Attributes:
        shares: 0.001 or more each, 1 in all.
        stated: A person gave them, for where the model is used; else they are those of the calibration cells.
    """

    shares: tuple[_Share, _Share, _Share]
    stated: bool

    @field_validator("shares")
    @classmethod
    def _whole(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if abs(sum(shares) - 1) > SHARES_SLACK:
            raise ValueError(f"sum to {sum(shares):g}, allowed 1 (to within {SHARES_SLACK:g})")
        return shares


class ClassSets(Closed):
    """Which classes cannot be excluded: those as probable as their threshold; the rule is in `engine.class_sets`.

    Attributes:
        coverage: Of each class, the least share of its cells whose set holds it; nominal.
        threshold: Of `class_probability`, by class; at most 1/3, which the most probable class always reaches.
    """

    coverage: Annotated[float, Field(gt=0, lt=1)]
    threshold: tuple[_SetThreshold, _SetThreshold, _SetThreshold]


class Calibration(Closed):
    """How raw outputs became probabilities and intervals.

    The last three are null in a model that has no such thing, such as an imported checkpoint: results then have NaN in
    its columns, flag nothing and reject nothing. A calibrated model has all three.

    Attributes:
        temperature: Divides `class_logits` before the softmax, inside the graph.
        class_bias: Added to the divided logits, inside the graph: from the shares that the network learned to those of
            `prior`.
        prior: The population `class_probability` holds for; None: not told.
        interval_coverage: Nominal coverage of `marker_interval`, such as 0.9; says nothing without half widths.
        interval_scale: By class and marker, what the network's own spread of a cell is multiplied by to give its half
            width in z, the classes mixed by the cell's probabilities, inside the graph; None: every cell of a marker
            has the same half width.
        class_sets: Thresholds of the sets of classes; None: the model gives none.
        interval_half_width_z: Split-conformal half width per marker in z units, inside the graph; where there is an
            `interval_scale`, the median over the calibration cells.
        ood_threshold: `ood_score` above this is flagged.
        reject_threshold: `reject_probability` at or above this marks the cell as rejected.
    """

    status: Literal["calibrated", "uncalibrated"]
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    class_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)
    prior: Prior | None = None
    interval_coverage: Annotated[float, Field(gt=0, lt=1)] = 0.9
    interval_scale: tuple[_PerMarker, _PerMarker, _PerMarker] | None = None
    class_sets: ClassSets | None = None
    interval_half_width_z: _PerMarker | None
    ood_threshold: float | None
    reject_threshold: Annotated[float, Field(ge=0, le=1)] | None

    @property
    def known_coverage(self) -> float | None:
        """Nominal coverage of the intervals; None where the model has none."""
        return None if self.interval_half_width_z is None else self.interval_coverage

    @model_validator(mode="after")
    def _calibrated_means_all(self) -> "Calibration":
        absent = [name for name in _FITTED if getattr(self, name) is None]
        if absent and self.status == "calibrated":
            raise ValueError(f"{absent[0]}: null, allowed only where status is uncalibrated")
        return self


class MarkerTransform(Closed):
    """marker_estimate = 10 ** (z * sd + mean) where `scale` is ``log10``; = z * sd + mean where ``linear``."""

    scale: Literal["log10", "linear"]
    mean: tuple[float, float, float, float]
    sd: tuple[
        Annotated[float, Field(gt=0)],
        Annotated[float, Field(gt=0)],
        Annotated[float, Field(gt=0)],
        Annotated[float, Field(gt=0)],
    ]


class Metric(Closed):
    """One measured figure with its 95 % interval and the data it was measured on."""

    name: str
    value: float
    low: float
    high: float
    n: Annotated[int, Field(ge=0)]
    data: str


class GoldenTolerance(Closed):
    """Largest absolute difference allowed in the self-test at load, per output name.

    ``marker_interval_z`` stands for ``marker_interval`` in z, over the golden crops that are not rejected.
    """

    tolerance: dict[str, Annotated[float, Field(gt=0)]]


class JudgedInt8(Closed):
    """How far the int8 graph, in one runtime, is from the float32 one, on cells it was not calibrated on.

    Attributes:
        runtime: Name of the backend, and the precision of what is not int8.
        class_agreement: Share of the white cells that keep their class.
        rejection_agreement: Share of all cells that stay rejected or not.
        flag_agreement: Share of all cells that stay flagged out of distribution or not.
        marker_r_loss: By marker, how much less its estimate correlates with the measured level; negative: more. None
            where too few cells have a level.
    """

    runtime: str
    class_agreement: _Part
    rejection_agreement: _Part
    flag_agreement: _Part
    marker_r_loss: tuple[float | None, float | None, float | None, float | None]


class Int8Facts(Closed):
    """Where `model.int8.onnx` comes from, and what the gate it passed measured.

    Attributes:
        calibrated_on: The cells its scales were fitted to, in words.
        calibration_cells: How many.
        judged_on: The cells it was judged on, in words; none of them is among those above.
        judged_cells: How many, of any kind.
        judged_white: Those with a class.
        synthetic: Simulated cells; None: the file they are from does not say.
        judged: By runtime.
    """

    calibrated_on: str
    calibration_cells: Annotated[int, Field(gt=0)]
    judged_on: str
    judged_cells: Annotated[int, Field(gt=0)]
    judged_white: Annotated[int, Field(gt=0)]
    synthetic: bool | None
    judged: Annotated[tuple[JudgedInt8, ...], Field(min_length=1)]


class TrainingPopulation(Closed):
    """Of which cells `population.npz` tells: what the model says of them, to compare others with (`engine.drift`).

    Attributes:
        cells: Which they are, in words.
        frames: Of them.
        classified: Cells that the model gave a class.
        synthetic: Simulated cells; None: not known.
        precision: In which the model saw them.
    """

    cells: Annotated[str, Field(min_length=1, max_length=500)]
    frames: Annotated[int, Field(gt=0)]
    classified: Annotated[int, Field(gt=0)]
    synthetic: bool | None
    precision: Precision


class Manifest(Closed):
    """`manifest.json` of a bundle.

    Attributes:
        name: Model name, for people and results.
        version: Model version.
        synthetic: True where any weight was trained on simulated cells; every result repeats it.
        shots: Order of the shots in the model's input.
        shot_sets: Which sets of shots a source may send, in any order; shots outside the set are flat for the model.
        preprocess: ``ratio`` (crop / background - 1) or ``affine`` (a * v + b), inside the graph.
        golden: Tolerances of the self-test per precision; of ``int8`` to what its own graph is to say.
        int8: Of `model.int8.onnx`; None where nothing is known of it, or it is not there.
        training_population: Of `population.npz`; None where there is none, and nothing to compare a stream with.
        normalisation: Of `normalisation.npz`; None where there is none, and the model cannot be adapted to a site.
        adapted: To which site's unlabelled cells its normalisation was fitted; None: to none.
        files: Every other file of the directory, no more and no fewer.
        metrics: What was measured, on what, with intervals.
        training: Settings of the training, by name; empty where they are not known.
        data_sha256: Hash of the training set; of an imported checkpoint, whose training set is unknown, of its file.
    """

    format_version: Literal[1]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    version: Annotated[str, Field(min_length=1, max_length=32)]
    created: str
    licence: str
    synthetic: bool
    description: str = ""
    classes: tuple[str, str, str]
    markers: tuple[str, str, str, str]
    marker_unit: str
    marker_transform: MarkerTransform
    shots: tuple[str, str, str, str]
    shot_sets: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)] = (SHOTS,)
    orientation: Literal["left-bright-right"]
    pixel_size_um: Annotated[float, Field(gt=0.05, lt=5)]
    crop_px: Literal[28]
    reduction_kernel: ReductionKernel
    preprocess: Literal["ratio", "affine"]
    calibration: Calibration
    golden: dict[Precision, GoldenTolerance]
    int8: Int8Facts | None = None
    training_population: TrainingPopulation | None = None
    normalisation: Normalisation | None = None
    adapted: Adapted | None = None
    metrics: tuple[Metric, ...] = ()
    training: dict[str, JsonValue] = Field(default_factory=dict)
    data_sha256: Sha256
    parameters: Annotated[int, Field(gt=0)]
    files: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")], FileEntry]

    def headline(self) -> tuple[Metric, ...]:
        """The few metrics a person should see first, in order, for every data set they were measured on.

        Class accuracy with rejected white cells counted wrong, calibration error, coverage of every marker's
        interval, and how well other objects are rejected. Metrics that were not measured are left out.
        """
        names = [*_HEADLINE, *(f"{COVERAGE_METRIC} {marker}" for marker in self.markers)]
        data_sets = dict.fromkeys(metric.data for metric in self.metrics)
        return tuple(
            metric
            for data in data_sets
            for name in names
            for metric in self.metrics
            if (metric.name, metric.data) == (name, data)
        )

    def takes_shots(self, shots: Sequence[str]) -> bool:
        """Whether the model was made for frames of just these shots, in whatever order."""
        return any(set(allowed) == set(shots) for allowed in self.shot_sets)

    @field_validator("shot_sets")
    @classmethod
    def _sets_of_known_shots(cls, sets: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        for shots in sets:
            known = set(shots) <= set(SHOTS) and len(set(shots)) == len(shots)
            if not known or len(shots) not in (1, 2, 4):
                raise ValueError(
                    f"({', '.join(shots)}): allowed 1, 2 or 4 of {', '.join(SHOTS)}, each once"
                )
        if len({frozenset(shots) for shots in sets}) != len(sets):
            raise ValueError("a set of shots is there twice")
        return sets

    @model_validator(mode="after")
    def _files_complete(self) -> "Manifest":
        needed = {"model.onnx", "golden.npz"} | (set() if self.int8 is None else INT8_FILES)
        needed |= set() if self.training_population is None else {POPULATION_FILE}
        needed |= set() if self.normalisation is None else {NORMALISATION_FILE}
        missing = needed - set(self.files)
        if missing:
            raise ValueError(f"files: {', '.join(sorted(missing))} missing")
        return self


def seal_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest's values, whatever its spacing and order of keys; its own seal does not count."""
    rest = {key: value for key, value in content.items() if key != SEAL}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest's values with their seal, ready to be written as JSON."""
    return {**content, SEAL: seal_of(content)}
