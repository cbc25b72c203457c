"""A small share of one core, for work that may wait while frames do not: work a little, rest long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SHARE: Final = 0.1
"""Of one core: at most so much slower is a frame of whom the work shares everything with."""
_LONGEST_S: Final = 0.5
"""Of one rest: a step that seems long on a box that is busy for good has mostly waited itself."""


class Share:
    """How long the one who has it must rest. Of one thread."""

    def __init__(self) -> None:
        """Begin rested."""
        self._until_s = 0.0

    def spend(self, seconds: float) -> None:
        """So much of a core was used, and just now."""
        rest_s = min(seconds * (1 / SHARE - 1), _LONGEST_S)
        self._until_s = time.monotonic() + rest_s

    @property
    def rest_s(self) -> float:
        """Seconds until more may be used; 0: now."""
        return max(0.0, self._until_s - time.monotonic())

    @contextmanager
    def step(self) -> Iterator[None]:
        """Some work, and the rest for as long as it took."""
        began_s = time.monotonic()
        yield
        self.spend(time.monotonic() - began_s)
        time.sleep(self.rest_s)
