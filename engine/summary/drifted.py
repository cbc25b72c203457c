"""What a summary may say of drift: how many quantities lie further from another population than allowed.

Frozen values; `engine.drift` finds them, by tests of its own against tolerances that a site chose.
"""

from dataclasses import dataclass
from typing import Literal

from phenostream.engine.summary.quantities import Count

DriftAgainst = Literal["training", "previous_run", "reference"]
"""``training``: the population that the bundle was trained for. ``previous_run``: the instrument's run before this one.
``reference``: a saved population."""


@dataclass(frozen=True, slots=True)
class DriftFacts:
    """Against one population.

    Attributes:
        against: Which.
        tested: Quantities that could be compared; one at least.
        beyond: Of these, shown to lie further away than their tolerance: of a window those whose alarm is open, of a
            run those of all its frames together.
    """

    against: DriftAgainst
    tested: Count
    beyond: Count
