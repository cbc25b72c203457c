"""What a check is, and a limit of time on a machine that also does other things."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.system.service.box import Box

_TRIES: Final = 3


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        name: One word, to ask for it alone.
        claim: What must be so.
        run: Shows it and says the figure; raises AssertionError where it is not so. Leaves the daemon running.
    """

    name: str
    claim: str
    run: Callable[[Box], str]


def within(limit_s: float, measure: Callable[[], float]) -> str:
    """The seconds of up to three tries, of which the shortest must be within the limit.

    A promise about the product, on a machine that may be busy: what is slow every time is the product's.
    """
    tries: list[float] = []
    while len(tries) < _TRIES and (not tries or min(tries) > limit_s):
        tries.append(measure())
    told = ", ".join(f"{one:.2f}" for one in tries)
    assert min(tries) <= limit_s, f"{told} s, allowed {limit_s:g} s"
    return f"{told} s (allowed {limit_s:g} s)"
