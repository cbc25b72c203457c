"""The configuration of the watch for drift: what a run is compared with, when, and how far it may lie away."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from phenostream.daemon.endpoint import based
from phenostream.engine.drift.quantities import Tolerances
from phenostream.engine.drift.watch import WatchSettings

PREVIOUS: Final = "previous"


def _earlier(name: str, info: ValidationInfo) -> str:
    return name if name in ("", PREVIOUS) else str(based(Path(name), info))


class DriftConfig(BaseModel):
    """What is watched, besides every result: nothing of it withholds one or makes the daemon degraded.

    Attributes:
        training: Compare with the population that the bundle was trained for, where it tells of one.
        against: Compare with an earlier run too: ``previous``: the newest one of the instrument that has ended; or a
            file of `phenostream summarise --save-reference`. Empty: no.
        least_frames: Of a window; every window is compared as a whole.
        least_cells: Classified cells of a window, likewise.
        share_points: How many percentage points a share may lie away: of a class, rejected, unlike the training cells.
        marker_sd: How many standard deviations of the training targets the mean of a marker of a class may.
        feature_sd: How many standard deviations of its cells a projection of the feature may.
        brightness_percent: How far the background of a shot may be brighter or darker; of the previous run only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    training: bool = True
    against: Annotated[str, Field(max_length=4096), AfterValidator(_earlier)] = ""
    least_frames: Annotated[int, Field(ge=4, le=100_000)] = 20
    least_cells: Annotated[int, Field(ge=100, le=10_000_000)] = 500
    share_points: Annotated[float, Field(gt=0, le=100)] = 10.0
    marker_sd: Annotated[float, Field(gt=0, le=10)] = 0.25
    feature_sd: Annotated[float, Field(gt=0, le=10)] = 0.3
    brightness_percent: Annotated[float, Field(gt=0, le=1000)] = 15.0

    @property
    def settings(self) -> WatchSettings:
        """What a watch takes."""
        tolerances = Tolerances(
            self.share_points / 100,
            self.marker_sd,
            self.feature_sd,
            self.brightness_percent / 100,
        )
        return WatchSettings(self.least_frames, self.least_cells, tolerances)
