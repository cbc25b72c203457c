"""The newest run of every instrument that has ended, as a later one is compared with it: kept over restarts.

A status record of the event ``run_drift`` tells it in the journal, a checkpoint keeps it. Belongs to the commit thread,
or to recovery before that thread begins.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from phenostream.engine.drift.sums import COLUMNS, Sums, is_possible

MOST_INSTRUMENTS: Final = 64
"""Those whose runs ended last; what one run needs is some kB."""
RUN_DRIFT: Final = "run_drift"
"""Event of the status record that tells what a run's frames add up to."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """What is kept of a run.

    Attributes:
        run: Its id.
        model_sha256: Of the model that saw these frames.
        sums: Of them.
    """

    run: str
    model_sha256: str
    sums: Sums


class DriftHistory:
    """By instrument."""

    def __init__(self) -> None:
        """Of no run."""
        self._ended: OrderedDict[str, EndedRun] = OrderedDict()

    def newest(self, instrument: str) -> EndedRun | None:
        """The newest run of an instrument that has ended; None: no such run is known."""
        return self._ended.get(instrument)

    def ended(self, instrument: str, run: EndedRun) -> None:
        """A run has ended that is worth comparing with."""
        self._ended[instrument] = run
        self._ended.move_to_end(instrument)
        while len(self._ended) > MOST_INSTRUMENTS:
            self._ended.popitem(last=False)

    def take(self, payload: Mapping[str, Any]) -> None:
        """A record of this event was read; raises KeyError, TypeError or ValueError where it is none."""
        sums = _sums(payload["frames"], payload["sums"])
        self.ended(payload["instrument"], EndedRun(payload["run"], payload["model_sha256"], sums))

    def state(self) -> list[list[Any]]:
        """Plain values for a checkpoint; see `restored`."""
        return [
            [instrument, one.run, one.model_sha256, one.sums.frames, one.sums.table.tolist()]
            for instrument, one in self._ended.items()
        ]

    @classmethod
    def restored(cls, state: Iterable[Sequence[Any]]) -> Self:
        """The history whose `state` this is; raises TypeError or ValueError where it is none."""
        history = cls()
        for instrument, run, model, frames, table in state:
            history.ended(str(instrument), EndedRun(str(run), str(model), _sums(frames, table)))
        return history


def _sums(frames: Any, table: Any) -> Sums:
    rows = np.array(table, np.float64)
    if rows.ndim != 2 or rows.shape[1] != COLUMNS or not is_possible(rows):
        raise ValueError(f"sums of a run: {rows.shape}, allowed (quantities, {COLUMNS})")
    sums = Sums(len(rows))
    sums.frames, sums.table = int(frames), rows
    return sums
