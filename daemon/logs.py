"""Where log lines go, in which form, and what each is about: a run, an instrument, a frame, an offset of the journal.

Under systemd they go to journald in its own protocol, so that ``journalctl PHENOSTREAM_RUN=...`` finds them; anywhere
else to standard error, as text or as JSON, one object a line. Log calls say what they are about with ``extra=about()``.
The protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
"""

import json
import logging
import os
import socket
import sys
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

Form = Literal["auto", "text", "json"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)

SUBJECTS: Final = ("run", "instrument", "frame_seq", "offset")
"""What a line may be about: its keys in JSON, and in journald ``PHENOSTREAM_`` and the same in capitals."""
_TEXT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_JOURNAL: Final = "/run/systemd/journal/socket"
_MOST_BYTES: Final = 64 << 10
"""Of a message: with its fields it must fit one datagram, of which the kernel takes about 200 KiB."""
_LONGEST_WAIT_S: Final = 0.2
"""For journald to take a line; a thread that logs must not hang with it."""
_PRIORITIES: Final = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_DEBUG_PRIORITY: Final = 7


def about(
    run: str | None = None,
    instrument: str | None = None,
    frame_seq: int | None = None,
    offset: int | None = None,
) -> dict[str, Any]:
    """The ``extra`` of a log call; what is not known is left out."""
    values = (run, instrument, frame_seq, offset)
    return {name: value for name, value in zip(SUBJECTS, values, strict=True) if value is not None}


def set_up(form: Form, level: int, name: str = "phenostream") -> None:
    """Send this process's log lines where they belong; nothing changes where that was done before.

    Args:
        form: ``auto``: journald where standard error is its, else text.
        level: Of `logging`; lines below it are not written.
        name: Of this program, in journald.
    """
    if logging.getLogger().handlers:
        return
    logging.basicConfig(handlers=[_handler(form, name)], level=level)


def _handler(form: Form, name: str) -> logging.Handler:
    if form == "auto" and _stderr_is_the_journals():
        try:
            return JournalHandler(name, _JOURNAL)
        except OSError:  # out of reach of this sandbox: standard error leads there too
            pass
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines(_TEXT))
    return handler


def _stderr_is_the_journals() -> bool:
    """Whether systemd connected our standard error to journald, by the device and inode it tells."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        stderr = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or none of the kernel's
        return False
    return (device, inode) == (str(stderr.st_dev), str(stderr.st_ino))


class TextLines(logging.Formatter):
    """Text for a person: a message is one line, and nothing that a stranger wrote in it moves a terminal's cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        """The line; a traceback comes behind it."""
        line = super().formatMessage(record)
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


class JsonLines(logging.Formatter):
    """One JSON object a line: `time` (UTC), `level`, `logger`, `thread`, `message`, the subjects, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
            **dict(_subjects(record)),
        }
        if record.exc_info:
            told["traceback"] = _traceback(record)
        return json.dumps(told, ensure_ascii=False, default=str)


class JournalHandler(logging.Handler):
    """Sends each line to journald with its fields; one that journald does not take in time is lost, and counted.

    Attributes:
        lost: Lines since the last that journald took; the next one says so.
    """

    def __init__(self, name: str, path: str) -> None:
        """See that journald is there.

        Args:
            name: ``SYSLOG_IDENTIFIER`` of every line.
            path: Of journald's socket.

        Raises:
            OSError: It cannot be reached.
        """
        super().__init__()
        self._name = name
        self._path = path
        self.lost = 0
        with _datagrams() as probe:
            probe.connect(path)
        self._socket = _datagrams()  # not connected: journald may come back with another socket

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line."""
        try:
            fields = dict(_journal_fields(record, self._name))
        except Exception:  # a line whose arguments do not fit its text: told as logging tells it
            self.handleError(record)
            return
        if self.lost:
            fields["PHENOSTREAM_LOST_BEFORE"] = str(self.lost)
        try:
            self._socket.sendto(encode_entry(fields), self._path)
        except OSError:
            self.lost += 1
        else:
            self.lost = 0

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
        super().close()


def encode_entry(fields: Mapping[str, str]) -> bytes:
    """One datagram of journald's protocol; a value of several lines goes with its length."""
    parts = []
    for name, value in fields.items():
        data = _cut(value.encode("utf-8", "replace"))
        if b"\n" in data:
            size = len(data).to_bytes(8, "little")
            parts.append(name.encode() + b"\n" + size + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


def _cut(data: bytes) -> bytes:
    """No longer than allowed, and no half of a character."""
    if len(data) <= _MOST_BYTES:
        return data
    return data[:_MOST_BYTES].decode("utf-8", "ignore").encode()


def _datagrams() -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    opened.settimeout(_LONGEST_WAIT_S)
    return opened


def _journal_fields(record: logging.LogRecord, name: str) -> Iterator[tuple[str, str]]:
    text = record.getMessage()
    yield "MESSAGE", f"{text}\n{_traceback(record)}" if record.exc_info else text
    yield "PRIORITY", str(_priority(record.levelno))
    yield "SYSLOG_IDENTIFIER", name
    yield "LOGGER", record.name
    yield "THREAD_NAME", str(record.threadName)
    yield "CODE_FILE", record.pathname
    yield "CODE_LINE", str(record.lineno)
    yield "CODE_FUNC", str(record.funcName)
    for subject, value in _subjects(record):
        yield f"PHENOSTREAM_{subject.upper()}", str(value)


def _subjects(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    for name in SUBJECTS:
        value = getattr(record, name, None)
        if value is not None:
            yield name, value


def _traceback(record: logging.LogRecord) -> str:
    kind, error, where = record.exc_info or (None, None, None)
    return "".join(traceback.format_exception(kind, error, where)).rstrip()


def _priority(level: int) -> int:
    """As syslog numbers it."""
    return next((number for least, number in _PRIORITIES if level >= least), _DEBUG_PRIORITY)
