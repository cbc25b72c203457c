"""The control thread: status, model, open runs, drain, and replay of journal records, for whoever may.

On ipc, and without keys, whoever may open the socket may do all. With keys only an operator may drain.

One request is one msgpack map with an `id` that the reply repeats; the schema is closed. A replay reply is its header
and then three parts a record, exactly as they were published. Nothing here can delay a frame. Clients take turns, as a
ROUTER reads from them: a greedy one gets every second answer while another one asks.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import zmq
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from phenostream.daemon.channel import BEAT_S
from phenostream.daemon.crew import Beat
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.security.guard import Guard, Opening
from phenostream.daemon.security.turnstile import KERNEL_BYTES
from phenostream.daemon.socket_options import SMALL_MESSAGE_BYTES, Context, bind, bounded
from phenostream.daemon.wake import Wake
from phenostream.daemon.wire.codec import pack, unpack_header
from phenostream.daemon.wire.ingest import U64
from phenostream.daemon.wire.results import encode_offset
from phenostream.daemon.wire.validation import describe
from phenostream.engine.errors import BadMessage

logger = logging.getLogger(__name__)

MOST_RECORDS: Final = 256
MOST_BYTES: Final = 8 << 20
_TURN_BYTES: Final = 1 << 20
"""Of records in one reply, whatever was asked for: nobody waits longer than that for his turn."""
_REPLIES_QUEUED: Final = 4
"""Replies that wait for a client; one that reads none costs these and loses the others, and nobody else notices."""
_REQUESTS_QUEUED: Final = 64
_REQUEST_BYTES: Final = (_REQUESTS_QUEUED + 2) * SMALL_MESSAGE_BYTES + KERNEL_BYTES
"""What one client may have asked and not been answered."""


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    v: Literal[1]
    id: U64


class _Status(_Request):
    type: Literal["status"]


class _Model(_Request):
    type: Literal["model"]


class _Runs(_Request):
    type: Literal["runs"]


class _Drain(_Request):
    type: Literal["drain"]


class _Get(_Request):
    type: Literal["get"]
    since: U64
    max_bytes: Annotated[int, Field(ge=1, le=MOST_BYTES)] = 1 << 20


_REQUEST: Final[TypeAdapter[_Status | _Model | _Runs | _Drain | _Get]] = TypeAdapter(
    Annotated[_Status | _Model | _Runs | _Drain | _Get, Field(discriminator="type")]
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What the control service may ask and do."""

    journal: Journal
    status: Callable[[], dict[str, Any]]
    model: Callable[[], dict[str, Any]]
    runs: Callable[[], list[dict[str, Any]]]
    drain: Callable[[], None]


class Control:
    """A ROUTER; made, used and closed in one thread."""

    def __init__(
        self, context: Context, url: str, answers: Answers, guard: Guard | None = None
    ) -> None:
        """Bind.

        Raises:
            BadConfig: The endpoint cannot be bound.
        """
        self._answers = answers
        self._socket = bounded(context.socket(zmq.ROUTER), _REPLIES_QUEUED)
        self._socket.setsockopt(zmq.RCVHWM, _REQUESTS_QUEUED)
        self._turnstile, key = None, "control.endpoint"
        if guard is None:
            self.endpoint = bind(self._socket, url, key)
        else:
            opening = Opening(key, url, "control", _REQUEST_BYTES, "control")
            self._turnstile, self.endpoint = guard.open(context, self._socket, opening)

    def run(self, stopping: Wake, beat: Beat) -> None:
        """Serve until `stopping` is set."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(stopping.fileno(), zmq.POLLIN)
        while True:
            beat()
            ready = dict(poller.poll(int(1000 * BEAT_S)))
            if stopping.fileno() in ready:
                return
            if self._socket not in ready:
                continue
            peer, *frames = self._socket.recv_multipart(copy=False)
            if self._turnstile is not None and not self._turnstile.passes(frames or [peer]):
                continue
            role = self._turnstile.role(peer) if self._turnstile is not None else None
            parts = [frame.bytes for frame in frames]
            delimiter = parts[:1] if parts[:1] == [b""] else []
            reply = self._reply(parts[len(delimiter) :], role)
            try:
                self._socket.send_multipart([peer.bytes, *delimiter, *reply], zmq.NOBLOCK)
            except zmq.Again:
                logger.debug("a control client reads no replies")

    def close(self) -> None:
        """Close; replies that are queued have a second to leave."""
        self._socket.close()

    def _reply(self, parts: list[bytes], role: str | None) -> list[bytes]:
        number = 0
        try:
            if len(parts) != 1:
                raise BadMessage(f"request of {len(parts)} parts, allowed 1")
            raw = unpack_header(parts[0])
            number = _number(raw)
            request = _REQUEST.validate_python(raw)
            if isinstance(request, _Drain) and role not in (None, "operator"):
                raise BadMessage(f"drain: the key of a {role}, allowed an operator's")
        except (BadMessage, ValidationError) as err:
            reason = describe(err) if isinstance(err, ValidationError) else str(err)
            return [_refused(number, reason)]
        if isinstance(request, _Get):
            try:
                return self._records(request)
            except (
                OSError
            ) as err:  # such as no free descriptor: it may pass, and nothing was left out silently
                logger.warning("journal: a reader was refused: %s", err)
                return [_refused(number, f"journal: {err.strerror}, ask again")]
        head: dict[str, Any] = {"v": 1, "type": request.type, "id": number}
        if isinstance(request, _Status):
            head["status"] = self._answers.status()
        elif isinstance(request, _Model):
            head["model"] = self._answers.model()
        elif isinstance(request, _Runs):
            head["runs"] = self._answers.runs()
        else:
            self._answers.drain()
            head["type"] = "draining"
        return [pack(head)]

    def _records(self, request: _Get) -> list[bytes]:
        journal = self._answers.journal
        most_bytes = min(request.max_bytes, _TURN_BYTES)
        newest = journal.newest
        reached = max(request.since, 0 if newest is None else newest + 1)
        parts: list[bytes] = []
        size = count = 0
        for record in journal.read(request.since):
            size += len(record.payload)
            if record.offset >= reached:  # became durable meanwhile
                break
            if count == MOST_RECORDS or (count and size > most_bytes):
                reached = record.offset
                break
            parts += [record.topic.encode(), encode_offset(record.offset), record.payload]
            count += 1
        head = {
            "v": 1,
            "type": "records",
            "id": request.id,
            "n": count,
            "next": reached,
            "newest": newest,
            "oldest": journal.oldest,
        }
        return [pack(head), *parts]


def _refused(number: int, reason: str) -> bytes:
    return pack({"v": 1, "type": "refused", "id": number, "reason": reason})


def _number(raw: dict[str, Any]) -> int:
    number = raw.get("id")
    return number if type(number) is int and 0 <= number < 2**64 else 0
