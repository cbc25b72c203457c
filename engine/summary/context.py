"""What the numbers of a population mean: classes, markers, unit and what the model can tell.

From the manifest of the model that made them, or from what a result says of its model. Two populations can be counted
together, or compared, only where all of it is the same.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from math import isfinite
from typing import Annotated, Any, Self

from pydantic import Field, TypeAdapter, ValidationError

from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import Manifest, MarkerTransform
from phenostream.engine.summary.histogram import LIMIT
from phenostream.engine.summary.quantities import (
    MOST_CLASSES,
    Flag,
    Name,
    NotNegative,
    Share,
    first_fault,
)

_MOST_TRANSFORMED = 4
"""Markers of a `MarkerTransform`."""


@dataclass(frozen=True, slots=True)
class SummaryContext:
    """What the numbers mean: from the manifest of the model that made them.

    Attributes:
        classes: In the order of the ``class`` column.
        markers: In the order of the marker columns.
        marker_unit: Of the estimates.
        marker_transform: From z to the unit.
        half_width_z: Half width of a cell's interval, in z, per marker, the median where each cell has its own; None
            where the model has no interval.
        interval_coverage: Its nominal coverage; None likewise.
        calibrated: The manifest says so.
        model_synthetic: The model was trained on simulated cells.
        source_synthetic: The cells are simulated.
        model: Name and version.
        scores_ood: The model tells how unlike its training cells a cell is.
        rejects: The model can tell other objects from white cells.
    """

    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_CLASSES)]
    markers: Annotated[tuple[Name, ...], Field(max_length=_MOST_TRANSFORMED)]
    marker_unit: Name
    marker_transform: MarkerTransform
    half_width_z: Annotated[tuple[NotNegative, ...], Field(max_length=_MOST_TRANSFORMED)] | None
    interval_coverage: Share | None
    calibrated: Flag
    model_synthetic: Flag
    source_synthetic: Flag
    model: Name
    scores_ood: Flag = True
    rejects: Flag = True

    @classmethod
    def of(cls, manifest: Manifest, *, simulated_cells: bool = False) -> Self:
        """The context of one model; ``simulated_cells`` where the source says that it is a simulator."""
        return cls(
            manifest.classes,
            manifest.markers,
            manifest.marker_unit,
            manifest.marker_transform,
            manifest.calibration.interval_half_width_z,
            manifest.calibration.known_coverage,
            manifest.calibration.status == "calibrated",
            manifest.synthetic,
            simulated_cells,
            f"{manifest.name} {manifest.version}",
            manifest.calibration.ood_threshold is not None,
            manifest.calibration.reject_threshold is not None,
        )

    @classmethod
    def of_result(cls, meta: Mapping[str, Any]) -> "SummaryContext":
        """The context that a result record tells, for who has the records and not the bundle.

        Raises:
            BadInput: Something of it is not there (early records have no `marker_transform`) or cannot be.
        """
        model = meta.get("model")
        if not isinstance(model, dict):
            raise BadInput(f"model: {type(model).__name__}, expected a map")
        told = {key: model[key] for key in _TOLD if key in model}
        return cls.from_dict(
            {
                **told,
                **({"half_width_z": model[_WIDTHS]} if _WIDTHS in model else {}),
                "model_synthetic": meta.get("model_synthetic"),
                "source_synthetic": meta.get("source_synthetic"),
                "model": f"{model.get('name')} {model.get('version')}",
                "scores_ood": model.get("ood_threshold") is not None,
                "rejects": model.get("reject_threshold") is not None,
            }
        )

    def in_unit(self, z: float, marker: int) -> float:
        """A z score of one marker in the marker unit."""
        transform = self.marker_transform
        value = z * transform.sd[marker] + transform.mean[marker]
        return float(10.0**value) if transform.scale == "log10" else value

    def spans_finite_values(self, marker: int) -> bool:
        """Every z that a histogram tells, and the ends of its interval, is a finite number in the marker unit."""
        reach = LIMIT + (self.half_width_z[marker] if self.half_width_z is not None else 0.0)
        try:
            return all(isfinite(self.in_unit(z, marker)) for z in (-reach, reach))
        except OverflowError:
            return False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON or msgpack."""
        return {**asdict(self), "marker_transform": self.marker_transform.model_dump(mode="json")}

    @classmethod
    def from_dict(cls, plain: object) -> "SummaryContext":
        """The context that `as_dict` told.

        Raises:
            BadInput: A key is missing, a value is of another kind, or there are not as many widths as markers.
        """
        try:
            context: SummaryContext = _reader().validate_python(plain)
        except ValidationError as err:
            raise BadInput(first_fault(err)) from err
        names = context.classes, context.markers
        for what, told in zip(("classes", "markers"), names, strict=True):
            if len(set(told)) != len(told):
                raise BadInput(f"{what}: a name is there twice")
        widths = context.half_width_z
        if widths is not None and len(widths) != len(context.markers):
            raise BadInput(f"half_width_z: {len(widths)} of {len(context.markers)} markers")
        for place, name in enumerate(context.markers):
            if not context.spans_finite_values(place):
                raise BadInput(f"marker_transform: {name[:40]!r}: values that are not finite")
        return context


_TOLD = (
    "classes",
    "markers",
    "marker_unit",
    "marker_transform",
    "interval_coverage",
    "calibrated",
)
_WIDTHS = "interval_half_width_z"


@cache
def _reader() -> TypeAdapter[Any]:
    return TypeAdapter(SummaryContext)
