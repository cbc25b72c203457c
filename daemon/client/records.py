"""A journal record as a subscriber gets it, decoded."""

from dataclasses import dataclass
from typing import Any

from phenostream.daemon.client.control import Stored
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.results import FrameRecord, decode_frame
from phenostream.engine.errors import BadInput


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the journal.

    Attributes:
        topic: ``result``, ``summary`` or ``status``.
        offset: Its place in the journal.
        body: A `FrameRecord` for a result, else the record's map. Arrays are read-only and own their bytes: keep them
            as long as you like, copy to change them.
        payload: The bytes it was decoded from, exactly as in the journal; empty for what is in no journal.
    """

    topic: str
    offset: int
    body: FrameRecord | dict[str, Any]
    payload: bytes = b""

    @property
    def frame(self) -> FrameRecord:
        """The result; `BadInput` where this is a summary or a status."""
        if isinstance(self.body, FrameRecord):
            return self.body
        raise BadInput(f"offset {self.offset}: a {self.topic}, only a result has a frame")

    @property
    def facts(self) -> dict[str, Any]:
        """The record's plain values: a result without its columns, or the whole map."""
        return self.body.meta if isinstance(self.body, FrameRecord) else self.body


def decode_record(stored: Stored) -> Record:
    """Decode the payload by its topic.

    Raises:
        BadMessage: The payload breaks the contract.
    """
    decode = decode_frame if stored.topic == "result" else unpack_result
    return Record(stored.topic, stored.offset, decode(stored.payload), stored.payload)
