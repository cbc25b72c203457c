"""How often something happens in a field or frame, with an interval that has a width also where it never did."""

import math

import numpy as np
import numpy.typing as npt

from phenostream.trainer.evaluation.figures.bootstrap import TAIL, Resamples
from phenostream.trainer.evaluation.schema.figure import Figure


def rate(draws: Resamples, events: npt.NDArray[np.int64]) -> Figure | None:
    """Mean number of events (N,) a field.

    Where there was none, every resample has none too; the upper end is then the rate at which a Poisson process shows
    nothing in so many fields once in 40 times.
    """
    figure = draws.mean(events)
    if figure is None or figure.high is None or figure.value > 0:
        return figure
    return figure.model_copy(update={"high": -math.log(TAIL) / len(events)})
