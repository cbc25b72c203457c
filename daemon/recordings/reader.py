"""Reads a recording entry by entry, checking everything: heads, bodies, order, counts, and the SHA-256 at the end.

Strict by default: the first fault is one `BadRecording` line with file, byte and what. Tolerant: what is whole is
given, damage is stepped over to the next whole entry, and `problems` says what is not there. Holds one entry in memory.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from phenostream.daemon.recordings.account import Account
from phenostream.daemon.recordings.entry import (
    HEAD_BYTES,
    MAGIC,
    PREFIX,
    Head,
    Kind,
    decode_data,
    is_whole,
    parse_head,
    prefix_fault,
)
from phenostream.daemon.wire.codec import unpack_header
from phenostream.daemon.wire.ingest import FromSource, decode_from_source
from phenostream.engine.errors import BadMessage, BadRecording

_SEARCH_BYTES: Final = 1 << 20
_MOST_PROBLEMS: Final = 100


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message as it was received.

    Attributes:
        number: From 0, in the order of the file.
        position: Byte of the file where its entry begins.
        since_start_ns: Receive time since the recording began, monotonic clock.
        utc_ns: Receive time, wall clock.
        header: First part, exactly as received.
        data: Second part of a FRAME or SHOT, exactly as received.
        message: The decoded header: START, FRAME, SHOT or END.
    """

    number: int
    position: int
    since_start_ns: int
    utc_ns: int
    header: bytes
    data: bytes | None
    message: FromSource


@dataclass(frozen=True, slots=True)
class _Entry:
    head: Head
    header: bytes
    data: bytes | None


class _Fault(Exception):
    """The bytes at the present position are not what they should be."""


class RecordingReader:
    """An open recording; use as a context manager and iterate once.

    Attributes:
        opening: What the file says about itself: format, created_utc_ns, software, note.
        account: Runs and frames so far.
        problems: After iterating: why the recording is INCOMPLETE; empty for a complete one.
        position: Byte reached, for a progress bar.
    """

    def __init__(self, path: Path, *, tolerant: bool = False) -> None:
        """Open the file and read its opening entry.

        Raises:
            BadRecording: Not a readable recording, of another version, or (unless tolerant) damaged.
        """
        self.path = path
        self.opening: dict[str, Any] = {}
        self.account = Account()
        self.problems: list[str] = []
        self.position = 0
        self._tolerant = tolerant
        self._closed = False
        self._sha256 = hashlib.sha256(PREFIX)
        try:
            self._file = path.open("rb")
        except OSError as err:
            raise BadRecording(f"{path}: {(err.strerror or str(err)).lower()}") from err
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "RecordingReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Recorded]:
        """The messages that are left, in order.

        Raises:
            BadRecording: Strict, at the first fault; messages before it were given.
        """
        while not self._closed:
            begins = self.position
            try:
                entry = self._entry()
                recorded = self._take(entry, begins)
            except _Fault as fault:
                if not self._step_over(begins, str(fault)):
                    return
                continue
            if recorded is not None:
                yield recorded

    def _open(self) -> None:
        fault = prefix_fault(self._file.read(len(PREFIX)))
        if fault is not None:
            raise BadRecording(f"{self.path}: {fault}")
        self.position = len(PREFIX)
        try:
            entry = self._entry()
            if entry.head.kind is not Kind.OPENING:
                raise _Fault(f"{entry.head.kind.name.lower()} entry, expected the opening")
            self.opening = _map(entry.header)
        except _Fault as damage:
            self._step_over(len(PREFIX), str(damage))

    def _entry(self) -> _Entry:
        """The entry at the present position, which moves behind it."""
        start = self.position
        self._file.seek(start)
        first = self._file.read(HEAD_BYTES)
        if not first:
            raise _Fault("cut short here: no closing entry (or it is still being written)")
        head = parse_head(first)
        if head is None:
            cut = len(first) < HEAD_BYTES and first[:4] == MAGIC[: len(first)]
            raise _Fault("cut short inside an entry" if cut else "damaged, no entry begins here")
        left = os.fstat(self._file.fileno()).st_size - start - HEAD_BYTES
        if head.body_bytes > left:
            raise _Fault(f"cut short inside an entry of {head.body_bytes} bytes, {left} are there")
        header, stored = self._file.read(head.header_bytes), self._file.read(head.stored_bytes)
        if not is_whole(head, header, stored):
            raise _Fault("damaged: the checksum of this entry does not agree")
        try:
            data = decode_data(head, stored)
        except ValueError as err:
            raise _Fault(f"damaged: {err}") from err
        if head.kind is not Kind.CLOSING:
            for part in (first, header, stored):
                self._sha256.update(part)
        self.position = start + HEAD_BYTES + head.body_bytes
        return _Entry(head, header, data)

    def _take(self, entry: _Entry, begins: int) -> Recorded | None:
        if entry.head.kind is Kind.OPENING:
            raise _Fault("a second opening entry")
        if entry.head.kind is Kind.CLOSING:
            self._take_closing(_map(entry.header), begins)
            return None
        try:
            message = decode_from_source(entry.header)
        except BadMessage as err:
            raise _Fault(f"not a message of a source: {err}") from err
        fault = self.account.fault(message)
        if fault is not None:
            raise _Fault(fault)
        number, head = self.account.messages, entry.head
        self.account.add(message, len(entry.data or b""), head.since_start_ns)
        return Recorded(
            number,
            begins,
            head.since_start_ns,
            head.utc_ns,
            entry.header,
            entry.data,
            message,
        )

    def _take_closing(self, closing: dict[str, Any], begins: int) -> None:
        self._closed = True
        excess = os.fstat(self._file.fileno()).st_size - self.position
        if excess:
            self._complain(self.position, f"{excess} bytes after the closing entry")
        if not self.problems:
            if closing.get("sha256") != self._sha256.digest():
                self._complain(begins, "the SHA-256 of the file does not agree")
            totals = self.account.totals()
            if any(closing.get(key) != n for key, n in totals.items()):
                self._complain(begins, f"the closing entry counts otherwise than {totals}")
        told = closing.get("problems")
        self.problems += [str(line) for line in told] if isinstance(told, list) else []
        if not closing.get("complete") and not self.problems:
            self.problems.append("the recorder called it INCOMPLETE")

    def _step_over(self, begins: int, fault: str) -> bool:
        """Note a fault and move to the next whole entry; False when there is none."""
        found = self._find(max(begins + 1, self.position)) if self._tolerant else None
        if found is None:
            self._closed = True
            self._complain(begins, fault)
            self.problems += self.account.problems()
            return False
        skipped = f"; {found - begins} bytes are left out" if found > begins else ""
        self._complain(begins, fault + skipped)
        self.position = found
        return True

    def _find(self, position: int) -> int | None:
        """Where the next entry with a good head begins."""
        while True:
            self._file.seek(position)
            block = self._file.read(_SEARCH_BYTES)
            if len(block) < HEAD_BYTES:
                return None
            at = block.find(MAGIC)
            while 0 <= at <= len(block) - HEAD_BYTES:
                if parse_head(block[at : at + HEAD_BYTES]) is not None:
                    return position + at
                at = block.find(MAGIC, at + 1)
            position += len(block) - HEAD_BYTES + 1

    def _complain(self, position: int, what: str) -> None:
        if not self._tolerant:
            raise BadRecording(f"{self.path}: byte {position}: {what}")
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(f"byte {position}: {what}")


def _map(data: bytes) -> dict[str, Any]:
    try:
        return unpack_header(data)
    except BadMessage as err:
        raise _Fault(f"opening or closing entry: {err}") from err
