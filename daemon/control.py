"""The control thread: status, model and its swap, open runs, drain, reload, and replay of records, for whoever may.

On ipc, and without keys, whoever may open the socket may do all. With keys only an operator may drain, swap models or
have the allow-list read again, and only a summariser or an operator may word a summary.

One request is one msgpack map with an `id` that the reply repeats; the schema is closed. A replay reply is its header
and then three parts a record, exactly as they were published. Nothing here can delay a frame. Clients take turns, as a
ROUTER reads from them: a greedy one gets every second answer while another one asks.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import zmq
from pydantic import ValidationError

from phenostream.daemon.channel import BEAT_S
from phenostream.daemon.crew import Beat
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.security.guard import Guard, Opening
from phenostream.daemon.security.turnstile import KERNEL_BYTES
from phenostream.daemon.socket_options import SMALL_MESSAGE_BYTES, Context, bind, bounded
from phenostream.daemon.swap.state import SwapSettings
from phenostream.daemon.wake import Wake
from phenostream.daemon.wire.codec import pack, unpack_request
from phenostream.daemon.wire.control import (
    REQUEST,
    RESERVED,
    Drain,
    Get,
    Model,
    ModelCancel,
    ModelLoad,
    ModelSwap,
    Reload,
    Request,
    Runs,
    Status,
    Summariser,
    SummaryText,
)
from phenostream.daemon.wire.results import encode_offset
from phenostream.daemon.wire.validation import describe
from phenostream.engine.errors import BadConfig, BadInput, BadMessage

logger = logging.getLogger(__name__)

MOST_RECORDS: Final = 256
_TURN_BYTES: Final = 1 << 20
"""Of records in one reply, whatever was asked for: nobody waits longer than that for his turn."""
_REPLIES_QUEUED: Final = 4
"""Replies that wait for a client; one that reads none costs these and loses the others, and nobody else notices."""
_REQUESTS_QUEUED: Final = 64
_REQUEST_BYTES: Final = (_REQUESTS_QUEUED + 2) * SMALL_MESSAGE_BYTES + KERNEL_BYTES
"""What one client may have asked and not been answered."""


class Swaps(Protocol):
    """Has another model go live; every method answers at once."""

    def load(self, settings: SwapSettings) -> dict[str, Any]:
        """Begin a swap; how it stands. Raises `BadInput` where one is under way or the daemon stops."""

    def cancel(self) -> dict[str, Any]:
        """End the swap that is under way; how it stands. Raises `BadInput` where none is."""

    def told(self) -> dict[str, Any]:
        """How the newest swap stands."""


class Narration(Protocol):
    """Takes the summariser's words; every method answers at once."""

    def take(self, request: SummaryText) -> None:
        """Have a text published. Raises `BadInput` where its facts do not support it, or nobody knows of them."""

    def hear(self, request: Summariser) -> None:
        """Note how the summariser stands."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the control service may ask and do.

    Attributes:
        reload: See `Guard.reload`.
    """

    journal: Journal
    status: Callable[[], dict[str, Any]]
    model: Callable[[], dict[str, Any]]
    runs: Callable[[], list[dict[str, Any]]]
    drain: Callable[[], None]
    swaps: Swaps
    narration: Narration
    reload: Callable[[], dict[str, Any]]


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
            raw = unpack_request(parts[0])
            number = _number(raw)
            request = REQUEST.validate_python(raw)
            allowed = RESERVED.get(type(request))
            if role is not None and allowed is not None and role not in allowed:
                owners = " or ".join(
                    f"{'an' if one[0] in 'aeiou' else 'a'} {one}'s" for one in allowed
                )
                raise BadMessage(f"{request.type}: the key of a {role}, allowed {owners}")
        except (BadMessage, ValidationError) as err:
            reason = describe(err) if isinstance(err, ValidationError) else str(err)
            return [_refused(number, reason)]
        if isinstance(request, Get):
            try:
                return self._records(request)
            except (
                OSError
            ) as err:  # such as no free descriptor: it may pass, and nothing was left out silently
                logger.warning("journal: a reader was refused: %s", err)
                return [_refused(number, f"journal: {err.strerror}, ask again")]
        try:
            told = self._told(request)
        except BadInput as err:
            return [_refused(number, str(err))]
        return [pack({"v": 1, "type": request.type, "id": number, **told})]

    def _told(self, request: Request) -> dict[str, Any]:
        """What a reply says besides its number; raises `BadInput` for what cannot be done now."""
        answers = self._answers
        match request:
            case Status():
                return {"status": answers.status()}
            case Model():
                return {"model": answers.model()}
            case Runs():
                return {"runs": answers.runs()}
            case Drain():
                answers.drain()
                return {"type": "draining"}
            case Reload():
                return {"type": "reloaded", **_reloaded(answers)}
            case ModelLoad():
                return {"type": "loading", "swap": answers.swaps.load(_settings(request))}
            case ModelCancel():
                return {"type": "cancelling", "swap": answers.swaps.cancel()}
            case ModelSwap():
                return {"swap": answers.swaps.told()}
            case SummaryText():
                answers.narration.take(request)
                return {"type": "accepted"}
            case Summariser():
                answers.narration.hear(request)
                return {"type": "noted"}
        raise BadMessage(f"{request.type}: not answered with one part")

    def _records(self, request: Get) -> list[bytes]:
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


def _reloaded(answers: Answers) -> dict[str, Any]:
    """What is allowed from now on; raises `BadInput` where the list is refused and the old one stays."""
    try:
        return answers.reload()
    except BadConfig as err:
        raise BadInput(f"reload: the allow-list stays as it was: {err}") from err


def _settings(request: ModelLoad) -> SwapSettings:
    return SwapSettings(
        Path(request.bundle),
        request.cells,
        request.min_agreement,
        request.max_marker_shift,
        request.max_slowdown,
        request.wait_s,
        request.now,
    )


def _refused(number: int, reason: str) -> bytes:
    return pack({"v": 1, "type": "refused", "id": number, "reason": reason})


def _number(raw: dict[str, Any]) -> int:
    number = raw.get("id")
    return number if type(number) is int and 0 <= number < 2**64 else 0
