"""The summary that was published last, for whoever asks how the daemon stands without having listened."""

from collections.abc import Iterable
from typing import Any, Final

from phenostream.daemon.journal.record import Record
from phenostream.daemon.wire.codec import unpack_meta

_TOLD: Final = ("scope", "run", "instrument", "text", "language", "source", "synthetic")


class NewestSummary:
    """Written by the commit thread, told to any; no summary of an earlier process is known."""

    def __init__(self) -> None:
        self._record: Record | None = None

    def published(self, records: Iterable[Record]) -> None:
        """These records are published, in this order."""
        for record in records:
            if record.topic == "summary":
                self._record = record

    def told(self) -> dict[str, Any] | None:
        """Its `offset`, and of the record what a person reads; None before the first."""
        record = self._record
        if record is None:
            return None
        body = unpack_meta(record.payload)
        return {"offset": record.offset, **{key: body[key] for key in _TOLD}}
