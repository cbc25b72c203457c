"""What is watched for drift. Every quantity is a ratio of two sums over frames: cells of cells, or a sum over cells.

Shares are of classified cells (the rejected also of those rejected), markers are mean z by class, features are means
of fixed projections of the model's feature, in standard deviations of the cells they were made from, and brightness is
the mean logarithm of a shot's background level. Knows names and their order, no numbers.
"""

from dataclasses import dataclass
from math import log1p
from typing import Final, Literal

from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.types import SHOTS

AXES: Final = 8
"""Projections of the feature that are watched."""
Kind = Literal["share", "rejected", "unusual", "marker", "feature", "brightness"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One of them.

    Attributes:
        kind: What it is.
        class_name: Whose share, or whose marker; else empty.
        name: Of the marker, the projection (from 0) or the shot; else empty.
    """

    kind: Kind
    class_name: str = ""
    name: str = ""

    @property
    def code(self) -> str:
        """Its name in records and in the status, such as ``marker/monocyte/CD16``; names are as in the manifest."""
        return "/".join(part for part in (self.kind, self.class_name, self.name) if part)


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far a quantity may lie from what it is compared with; beyond that it has drifted.

    Attributes:
        share: Difference of two shares.
        marker_sd: Difference of mean z, which is in standard deviations of the training targets.
        feature_sd: Difference of a projection, in standard deviations of the cells it was made from.
        brightness: Relative difference, 0.15 for 15 %.
    """

    share: float = 0.1
    marker_sd: float = 0.25
    feature_sd: float = 0.3
    brightness: float = 0.15

    def of(self, quantity: Quantity) -> float:
        """In the quantity's own scale; of a brightness that is the logarithm."""
        if quantity.kind == "marker":
            return self.marker_sd
        if quantity.kind == "feature":
            return self.feature_sd
        return log1p(self.brightness) if quantity.kind == "brightness" else self.share


def quantities_of(context: SummaryContext) -> tuple[Quantity, ...]:
    """All of a model, in the order that sums have them."""
    classes, markers = context.classes, context.markers
    return (
        *(Quantity("share", one) for one in classes),
        Quantity("rejected"),
        Quantity("unusual"),
        *(Quantity("marker", one, marker) for one in classes for marker in markers),
        *(Quantity("feature", name=str(axis)) for axis in range(AXES)),
        *(Quantity("brightness", name=shot) for shot in SHOTS),
    )
