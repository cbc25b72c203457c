"""The stages of a run as they end: what a person is told, one line each, with its time and what is left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageDone:
    """One stage that ended well.

    Attributes:
        name: Such as ``pack`` or ``seed 2: train``.
        seconds: It took.
        kept: It was found done by an earlier run.
        detail: What came of it.
        left_s: Estimate for the rest of the run; None before anything is known.
    """

    name: str
    seconds: float
    kept: bool
    detail: str
    left_s: float | None


Tell = Callable[[StageDone], None]


class Stage:
    """An open stage, for whoever works in it."""

    def __init__(self) -> None:
        self.kept = False
        self.detail = ""


class Stages:
    """Times stages and tells each when it ends; estimates the rest from the share of the work that was not kept.

    Args:
        tell: Is given every stage that ended.
        work: What each expected stage costs, in any unit, by name.
    """

    def __init__(self, tell: Tell, work: dict[str, float]) -> None:
        self._tell = tell
        self._left = dict(work)
        self._spent_s = 0.0
        self._done = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """One stage; one that fails is not told."""
        began = time.monotonic()
        stage = Stage()
        yield stage
        seconds = time.monotonic() - began
        work = self._left.pop(name, 0.0)
        if work and not stage.kept:
            self._spent_s += seconds
            self._done += work
        left = sum(self._left.values()) * self._spent_s / self._done if self._done else None
        self._tell(StageDone(name, seconds, stage.kept, stage.detail, left))
