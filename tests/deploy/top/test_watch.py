"""A daemon that goes away is shown as it was, and for how long it has been silent."""

from collections.abc import Sequence

import pytest

from phenostream.daemon.client.errors import Unreachable
from phenostream.deploy.top.reading import Told
from phenostream.deploy.top.watch import Watch
from tests.deploy.top.statuses import status


class Toy:
    """A daemon that is there, or not."""

    def __init__(self) -> None:
        self.told: Told | None = status(10.0, 5)

    def status(self) -> Told:
        if self.told is None:
            raise Unreachable("nobody")
        return self.told

    def runs(self) -> Sequence[Told]:
        return [{"run": "r"}]


def test_a_daemon_that_goes_is_shown_as_it_was_and_one_that_comes_back_as_it_is() -> None:
    toy = Toy()
    watch = Watch("ipc://x", toy, 10.0)
    assert watch.look(100.0).away_s is None
    toy.told = None
    shown = watch.look(107.0)
    assert shown.away_s == 7.0
    assert shown.readings.newest["uptime_s"] == 10.0
    assert shown.runs == [{"run": "r"}]
    toy.told = status(1.0, 1)
    shown = watch.look(108.0)
    assert shown.away_s is None
    assert shown.readings.newest["uptime_s"] == 1.0


def test_nobody_from_the_start_is_said() -> None:
    toy = Toy()
    toy.told = None
    with pytest.raises(Unreachable):
        Watch("ipc://x", toy, 10.0).look(1.0)
