"""The client of the control endpoint: status, runs, drain, reload, records, another model, words for a summary."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import zmq

from phenostream.daemon.client.connect import connect
from phenostream.daemon.client.errors import Refusal, Unreachable
from phenostream.daemon.client.readable import readable
from phenostream.daemon.client.rejection import HandshakeWatch
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.socket_options import Context, bounded
from phenostream.daemon.wire.codec import MAX_RESULT_BYTES, pack, unpack_result
from phenostream.daemon.wire.control import MOST_TEXT_BYTES
from phenostream.daemon.wire.results import TOPICS, decode_offset
from phenostream.engine.errors import BadConfig, BadInput, BadMessage

_REQUESTS_QUEUED: Final = 16
_PARTS_A_RECORD: Final = 3
_SLICE_S: Final = 0.1
"""Between two looks at why nobody answers."""

_Value = str | float | bool | None | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """One journal record, exactly as it was published."""

    topic: str
    offset: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What the journal holds from an offset on.

    Attributes:
        records: In order of their offsets.
        next: Where to ask on; what is asked for, lies before it and is not in `records` is lost for good.
        newest: Newest offset of the journal; None when it is empty.
        oldest: Oldest offset still held.
    """

    records: tuple[Stored, ...]
    next: int
    newest: int | None
    oldest: int


class Control:
    """Asks a daemon, one question at a time, from one thread; a context manager.

    Args:
        url: The daemon's control endpoint.
        timeout_s: How long an answer may take.
        keys: Ours and the daemon's, for a daemon on tcp.
    """

    def __init__(self, url: str, timeout_s: float = 5.0, keys: ClientKeys | None = None) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._keys = keys
        self._numbers = itertools.count(1)
        self._context: Context = zmq.Context()
        try:
            self._connect()
        except BadConfig:
            self._context.term()
            raise

    def __enter__(self) -> Self:
        """Connected lazily: the first question finds out who is there."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close; calling it twice is harmless."""
        self._handshakes.close()
        self._socket.close(0)
        self._context.term()

    def status(self) -> dict[str, Any]:
        """State, ledger of every run, model, configuration digest.

        Raises:
            Unreachable: No answer within `timeout_s`.
            Rejected: The daemon does not take our connection.
            Refusal: The daemon refused the question.
        """
        return self._map(self._ask("status")[0], "status")

    def model(self) -> dict[str, Any]:
        """Name, version, sha256, backend, device and precision; raises as `status`."""
        return self._map(self._ask("model")[0], "model")

    async def status_async(self) -> dict[str, Any]:
        """As `status`, without blocking the event loop."""
        return self._map((await self._ask_async("status"))[0], "status")

    async def model_async(self) -> dict[str, Any]:
        """As `model`, without blocking the event loop."""
        return self._map((await self._ask_async("model"))[0], "model")

    def load_model(
        self, bundle: str, terms: Mapping[str, float | bool] | None = None
    ) -> dict[str, Any]:
        """Ask for another model to take this one's place; what becomes of it, `model_swap` tells.

        Args:
            bundle: Folder on the daemon's box, absolute.
            terms: Keys of the `model_load` request, such as `cells`; what is left out has the daemon's default.

        Returns:
            The swap as it begins; raises as `status`, and `Refusal` where another one is under way.
        """
        return self._map(self._ask("model_load", bundle=bundle, **(terms or {}))[0], "swap")

    def model_swap(self) -> dict[str, Any]:
        """The swap that is under way, or what became of the last one; raises as `status`."""
        return self._map(self._ask("model_swap")[0], "swap")

    def cancel_swap(self) -> dict[str, Any]:
        """Give up the swap that is under way: the old model serves on; raises as `status`."""
        return self._map(self._ask("model_cancel")[0], "swap")

    def word_summary(self, text: Mapping[str, Any]) -> None:
        """Have a text published in the place of a template's, if the facts support it.

        Args:
            text: The keys of a `summary_text` request: `of_offset`, `text`, `style` and so on.

        Raises as `status`; `Refusal` says what the facts do not support, `BadInput` that the text is too long to send.
        """
        size = len(str(text["text"]).encode("utf-8", "replace"))
        if size > MOST_TEXT_BYTES:
            raise BadInput(f"text: {size} bytes, allowed 1 to {MOST_TEXT_BYTES}")
        self._ask("summary_text", **text)

    def tell_summariser(self, state: Mapping[str, Any]) -> None:
        """Say how the summariser stands: keys of the `summariser` request; raises as `status`."""
        self._ask("summariser", **state)

    def runs(self) -> list[dict[str, Any]]:
        """The open runs: what the run_started record of each says, its `first_offset` and its `counts`.

        Raises as `status`.
        """
        return self._runs(self._ask("runs")[0])

    async def runs_async(self) -> list[dict[str, Any]]:
        """As `runs`, without blocking the event loop."""
        return self._runs((await self._ask_async("runs"))[0])

    def drain(self) -> None:
        """Tell the daemon to finish what it has and stop; raises as `status`."""
        self._ask("drain")

    def reload(self) -> dict[str, Any]:
        """Have the daemon read its allow-list again; answered when that is done.

        Returns:
            `keys` (whether it has any), `allowed` (entries from now on), `reloads` (since it started).

        Raises as `status`; `Refusal` also where the list cannot be read, and the old one stays.
        """
        head, _ = self._ask("reload")
        return {key: head.get(key) for key in ("keys", "allowed", "reloads")}

    def get(self, since: int, max_bytes: int = 1 << 20) -> Batch:
        """Journal records from offset `since` on, at most about `max_bytes`; raises as `status`."""
        return self._batch(since, *self._ask("get", since=since, max_bytes=max_bytes))

    async def get_async(self, since: int, max_bytes: int = 1 << 20) -> Batch:
        """As `get`, without blocking the event loop; a wait that is cancelled leaves nothing behind."""
        return self._batch(since, *await self._ask_async("get", since=since, max_bytes=max_bytes))

    def _batch(self, since: int, head: dict[str, Any], parts: list[bytes]) -> Batch:
        if len(parts) % _PARTS_A_RECORD:
            raise BadMessage(f"{self.url}: records in {len(parts)} parts, expected three each")
        records = tuple(
            Stored(self._topic(parts[i]), decode_offset(parts[i + 1]), parts[i + 2])
            for i in range(0, len(parts), _PARTS_A_RECORD)
        )
        oldest, newest, behind = head.get("oldest"), head.get("newest"), head.get("next")
        if (
            not isinstance(oldest, int)
            or not isinstance(newest, int | None)
            or not isinstance(behind, int)
        ):
            raise BadMessage(
                f"{self.url}: records: oldest {oldest!r}, newest {newest!r}, next {behind!r}, expected offsets"
            )
        places = [since - 1, *(stored.offset for stored in records), behind]
        most = max(since, 0 if newest is None else newest + 1)
        if behind > most or not all(a < b for a, b in pairwise(places)):
            raise BadMessage(
                f"{self.url}: records from {since}: offsets {places[1:4]}, next {behind}, newest {newest}: "
                "expected rising ones"
            )
        return Batch(records, behind, newest, oldest)

    def _runs(self, head: dict[str, Any]) -> list[dict[str, Any]]:
        runs = head.get("runs")
        if not isinstance(runs, list) or not all(
            isinstance(run, dict)
            and isinstance(run.get("run"), str)
            and isinstance(run.get("first_offset"), int)
            for run in runs
        ):
            raise BadMessage(f"{self.url}: runs: expected maps with run and first_offset")
        return runs

    def _connect(self) -> None:
        self._socket = bounded(self._context.socket(zmq.DEALER), _REQUESTS_QUEUED, MAX_RESULT_BYTES)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._handshakes = HandshakeWatch(self._socket, self.url, self._keys)
        try:
            connect(self._socket, self.url, self._keys)
        except BadConfig:
            self._handshakes.close()
            raise

    async def _ask_async(self, what: str, **fields: _Value) -> tuple[dict[str, Any], list[bytes]]:
        number = self._send(what, **fields)
        deadline = time.monotonic() + self.timeout_s
        while (left := deadline - time.monotonic()) > 0:
            await self._handshakes.check_async()
            if (
                await readable(self._socket, min(left, _SLICE_S))
                and (answer := self._receive(number)) is not None
            ):
                return answer
        raise self._silent(what)

    def _ask(self, what: str, **fields: _Value) -> tuple[dict[str, Any], list[bytes]]:
        number = self._send(what, **fields)
        deadline = time.monotonic() + self.timeout_s
        while (left := deadline - time.monotonic()) > 0:
            self._handshakes.check()
            if self._socket.poll(int(1000 * min(left, _SLICE_S)) + 1) and (
                answer := self._receive(number)
            ):
                return answer
        raise self._silent(what)

    def _send(self, what: str, **fields: _Value) -> int:
        number = next(self._numbers)
        try:
            self._socket.send(pack({"v": 1, "type": what, "id": number, **fields}), zmq.NOBLOCK)
        except zmq.Again as err:
            raise Unreachable(
                f"{self.url}: nobody took the last {_REQUESTS_QUEUED} questions"
            ) from err
        return number

    def _receive(self, number: int) -> tuple[dict[str, Any], list[bytes]] | None:
        """The message that is there, if it answers question `number`."""
        head_part, *parts = self._socket.recv_multipart()
        head = unpack_result(head_part)
        if head.get("id") != number:
            return None  # the late answer to a question that was given up
        if head.get("type") == "refused":
            raise Refusal(f"{self.url}: {head.get('reason')}")
        return head, parts

    def _silent(self, what: str) -> Unreachable:
        """Nobody answered. The question is taken back: a daemon that was away must not find a pile of them."""
        self._handshakes.close()
        self._socket.close(0)
        self._connect()
        return Unreachable(f"{self.url}: no answer to {what} within {self.timeout_s:g} s")

    def _topic(self, part: bytes) -> str:
        topic = part.decode("ascii", "replace")
        if topic not in TOPICS:
            raise BadMessage(f"{self.url}: a record under {topic[:20]!r}")
        return topic

    def _map(self, head: dict[str, Any], key: str) -> dict[str, Any]:
        value = head.get(key)
        if not isinstance(value, dict):
            raise BadMessage(f"{self.url}: {key}: {type(value).__name__}, expected a map")
        return value
