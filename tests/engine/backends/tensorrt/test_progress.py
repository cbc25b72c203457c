"""A share of the whole that never falls, out of phases within phases; and nothing is raised into the library."""

import pytest

from phenostream.engine.backends.tensorrt.progress import Progress


class Told:
    def __init__(self) -> None:
        self.shares: list[tuple[str, float]] = []

    def __call__(self, phase: str, share: float) -> None:
        self.shares.append((phase, share))


def test_phases_within_phases_are_one_share() -> None:
    told = Told()
    progress = Progress(told)
    progress.started("all", None, 2)
    progress.started("first", "all", 4)
    for step in range(4):
        assert progress.stepped("first", step)
    progress.finished("first")
    progress.stepped("all", 0)
    progress.started("second", "all", 2)
    progress.started("inner", "second", 2)
    progress.stepped("inner", 0)
    assert told.shares == [
        ("all", 0.0),
        ("first", 0.0),
        *(("first", (step + 1) / 8) for step in range(4)),
        ("all", 0.5),
        ("second", 0.5),
        ("inner", 0.5),
        ("inner", 0.625),
    ]


def test_odd_reports_never_move_it_back_or_beyond() -> None:
    told = Told()
    progress = Progress(told)
    progress.stepped("never announced", 3)
    progress.started("all", None, 0)
    progress.stepped("all", 8)
    progress.started("orphan", "nobody", 3)
    progress.finished("never announced")
    progress.started("loop", "loop", 2)
    shares = [share for _, share in told.shares]
    assert shares == sorted(shares)
    assert max(shares) == 1.0


def test_what_is_raised_meanwhile_stops_the_library_and_is_kept() -> None:
    def interrupted(_phase: str, share: float) -> None:
        if share:
            raise KeyboardInterrupt

    progress = Progress(interrupted)
    progress.started("all", None, 3)
    assert not progress.stepped("all", 0)
    assert not progress.stepped("all", 1)
    with pytest.raises(KeyboardInterrupt):
        raise progress.raised or AssertionError
