"""What can be chosen about fitting a model to a site, and beyond which it is refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_Share = Annotated[float, Field(ge=0, le=1)]


class AdaptationSettings(BaseModel):
    """One adaptation.

    Attributes:
        prior_cells: The training's statistics count as so many cells of the site.
        priors: Of the class probabilities: ``keep`` the model's, or ``estimate`` them from the same cells.
        least_cells: White cells, each counted by its probability of being one, that are needed.
        most_cells: More are thinned to this, evenly.
        most_rejected: Largest share of the cells that the fitted model may reject.
        most_flagged: Largest share of the cells it keeps that it may flag as unlike its training cells.
        least_share: Smallest share of a class among the white cells.
        most_shift: Largest mean distance of a layer's means, in standard deviations of the training.
        most_log_sd: Largest mean distance of the logarithms of a layer's standard deviations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prior_cells: Annotated[float, Field(ge=0, le=1e6)] = 100.0
    priors: Literal["keep", "estimate"] = "keep"
    least_cells: Annotated[int, Field(ge=200, le=100_000)] = 200
    most_cells: Annotated[int, Field(ge=200, le=4_000)] = 600
    most_rejected: _Share = 0.95
    most_flagged: _Share = 0.5
    least_share: _Share = 0.01
    most_shift: Annotated[float, Field(gt=0, le=10)] = 1.0
    most_log_sd: Annotated[float, Field(gt=0, le=10)] = 1.0
