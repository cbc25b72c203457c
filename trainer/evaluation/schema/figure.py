"""A measured number with its interval, and a curve: what every section of an evaluation is made of.

A figure that some cells cannot give (one class only, no interval head, nothing to reject) is None, never 0 and never
NaN. Knows nothing of cells or models.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Closed(BaseModel):
    """Frozen; unknown keys and numbers that are not finite are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Figure(Closed):
    """One measured number.

    Attributes:
        value: On the cells as they are.
        low: Lower end of the 95 % bootstrap interval, resampled by field of view; None where there were too few fields
            for one.
        high: Upper end, likewise.
        n: Cells it was measured on.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: Count

    @model_validator(mode="after")
    def _both_ends_or_none(self) -> "Figure":
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high: give both or neither")
        return self

    @property
    def excludes_zero(self) -> bool:
        """The whole interval lies on one side of 0; False where there is no interval."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def text(self, digits: int = 3) -> str:
        """For a person: ``0.912 [0.902, 0.921]``."""
        if self.low is None or self.high is None:
            return f"{self.value:.{digits}f} [no interval]"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


class Curve(Closed):
    """Points of a curve, in order of x; both columns of one length.

    Attributes:
        x: For a ROC the share of negatives at or above the threshold.
        y: For a ROC the share of positives.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    @model_validator(mode="after")
    def _of_one_length(self) -> "Curve":
        if len(self.x) != len(self.y):
            raise ValueError(f"x and y: {len(self.x)} and {len(self.y)} points")
        return self
