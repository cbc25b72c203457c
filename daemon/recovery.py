"""What the journal says about earlier processes: every frame's fate, every run that began, every run that ended.

The record that opened a run may be lost or removed. What became of its frames is remembered all the same, so that none
is taken twice; the run itself begins anew when its source sends START again.
"""

from typing import Any

from pydantic import ValidationError

from phenostream.daemon.journal.inspection import REMEDY
from phenostream.daemon.journal.record import Record
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.sources.runs import RunBook
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.daemon.wire.ingest import Report, Start
from phenostream.engine.errors import BadMessage, BadRecording


class Recovery:
    """Feeds the ledger and the run book with one record after the other."""

    def __init__(self, ledger: Ledger, runs: RunBook) -> None:
        """Both are empty."""
        self._ledger = ledger
        self._runs = runs

    def replay(self, record: Record) -> None:
        """Take one record into account.

        Raises:
            BadRecording: A whole record that this version cannot read.
        """
        if record.topic == "summary":
            return
        try:
            payload = unpack_meta(record.payload)
            if record.topic == "result":
                self._result(payload)
            else:
                self._status(payload, record.offset)
        except (BadMessage, ValidationError, KeyError, TypeError) as err:
            raise BadRecording(
                f"journal offset {record.offset}: not a {record.topic} of this version "
                f"({type(err).__name__}: {str(err).splitlines()[0]}); {REMEDY}"
            ) from err

    def _result(self, payload: dict[str, Any]) -> None:
        self._ledger.open(payload["run"], None)
        self._ledger.settle(
            payload["run"],
            payload["frame_seq"],
            payload["fate"],
            payload["reason"],
            payload["counts"],
        )

    def _status(self, payload: dict[str, Any], offset: int) -> None:
        if payload["event"] == "run_started":
            start = Start.model_validate(payload["start"], strict=False)
            self._runs.restore(start, offset, payload.get("source"))
            self._ledger.open(start.run, start.n_expected)
        elif payload["event"] == "run_ended":
            self._ledger.open(payload["run"], None)
            self._ledger.restore_end(payload["run"], payload["ledger"])
            self._runs.restore_report(
                payload["run"], Report(run=payload["run"], ledger=payload["ledger"])
            )
