"""What can be chosen about a calibration, with its allowed ranges."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from phenostream.engine.manifest import Prior

_Level = Annotated[float, Field(ge=0.5, le=0.99)]


class CalibrationSettings(BaseModel):
    """What the calibrated numbers shall promise.

    Attributes:
        interval_coverage: Of the marker intervals.
        class_coverage: Of the sets of classes, in each class.
        ood_quantile: Share of white calibration cells at or below the out-of-distribution threshold.
        white_kept: Share of white calibration cells that the reject threshold must keep.
        prior: Shares of the classes where the model will be used, in the order of `CLASSES`; None: as among the
            calibration cells.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval_coverage: _Level = 0.9
    class_coverage: _Level = 0.9
    ood_quantile: Annotated[float, Field(ge=0.5, lt=1)] = 0.99
    white_kept: Annotated[float, Field(ge=0.5, lt=1)] = 0.99
    prior: tuple[float, float, float] | None = None

    @field_validator("prior")
    @classmethod
    def _possible(
        cls, prior: tuple[float, float, float] | None
    ) -> tuple[float, float, float] | None:
        return None if prior is None else Prior(shares=prior, stated=True).shares
