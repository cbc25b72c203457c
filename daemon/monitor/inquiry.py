"""What the daemon says of itself, asked for when somebody wants to know; one question at a time.

Questions that come together, or soon after an answer, share it, so that however many ask, the daemon answers at most
`1 / FRESH_S` times a second. Lives in one event loop.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from phenostream.engine.errors import PhenostreamError

FRESH_S: Final = 0.25
"""An answer serves whoever asks within that time after it."""


class Daemon(Protocol):
    """The control endpoint, as far as it is asked; see `client.control.Control`."""

    async def status_async(self) -> dict[str, Any]:
        """How everything stands."""

    async def model_async(self) -> dict[str, Any]:
        """The model that serves, with its manifest."""

    def close(self) -> None:
        """Close; calling it twice is harmless."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question.

    Attributes:
        told: What the daemon said; None: nothing, see `why`.
        why: One line: why there is no answer; empty where there is one.
        took_s: From the question to the answer, or to giving up.
    """

    told: dict[str, Any] | None
    why: str
    took_s: float


class Inquiry:
    """Asks one daemon. It may come and go: each question finds out anew."""

    def __init__(
        self,
        connect: Callable[[], Daemon],
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            connect: Makes a client; asked again after one was refused.
            fresh_s: See `FRESH_S`.
            clock: Seconds.
        """
        self._connect, self._fresh_s, self._clock = connect, fresh_s, clock
        self._daemon: Daemon | None = None
        self._one_at_a_time = asyncio.Lock()
        self._answers: dict[str, tuple[float, Answer]] = {}

    async def status(self) -> Answer:
        """How the daemon stands."""
        return await self._fresh("status", lambda daemon: daemon.status_async())

    async def model(self) -> Answer:
        """The model that serves, with its manifest."""
        return await self._fresh("model", lambda daemon: daemon.model_async())

    def close(self) -> None:
        """Close the connection."""
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None

    async def _fresh(self, what: str, ask: Callable[[Daemon], Awaitable[dict[str, Any]]]) -> Answer:
        async with self._one_at_a_time:  # who waited here finds the answer of who asked before
            answered_s, answer = self._answers.get(what, (0.0, None))
            if answer is None or self._clock() - answered_s > self._fresh_s:
                answer = await self._asked(ask)
                self._answers[what] = self._clock(), answer
            return answer

    async def _asked(self, ask: Callable[[Daemon], Awaitable[dict[str, Any]]]) -> Answer:
        began_s = self._clock()
        told, why = None, ""
        try:
            if self._daemon is None:
                self._daemon = self._connect()
            told = await ask(self._daemon)
        except PhenostreamError as err:
            why = str(err)
            self.close()  # a key that was refused is not tried again by itself
        return Answer(told, why, self._clock() - began_s)
