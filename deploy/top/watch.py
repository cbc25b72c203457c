"""Asks one daemon how it stands, time after time, also while it is away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from phenostream.daemon.client.errors import Unreachable
from phenostream.deploy.top.reading import Readings, Told


class Asked(Protocol):
    """The part of a control client that is used here."""

    def status(self) -> Told:
        """How the daemon stands. Raises `Unreachable` where nobody answers."""

    def runs(self) -> Sequence[Told]:
        """The open runs; raises likewise."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show.

    Attributes:
        url: Of the control endpoint.
        runs: The open runs as the daemon tells them, the one heard last at the end.
        away_s: For how long nobody has answered; None: the daemon answers.
    """

    url: str
    readings: Readings
    runs: Sequence[Told] = ()
    away_s: float | None = None


class Watch:
    """What was heard of one daemon."""

    def __init__(self, url: str, control: Asked, over_s: float) -> None:
        """Nothing was asked yet; `over_s`: see `Readings`."""
        self._url = url
        self._control = control
        self._readings = Readings(over_s)
        self._runs: Sequence[Told] = ()
        self._heard_s: float | None = None

    def look(self, now_s: float) -> Shown:
        """Ask once; a daemon that does not answer is shown as it was.

        Args:
            now_s: Monotonic clock.

        Raises:
            Unreachable: Nobody has ever answered.
        """
        away_s = None
        try:
            status, self._runs = self._control.status(), self._control.runs()
        except Unreachable:
            if self._heard_s is None:
                raise
            away_s = now_s - self._heard_s
        else:
            self._readings.add(status)
            self._heard_s = now_s
        return Shown(self._url, self._readings, self._runs, away_s)
