"""Traces of some of a daemon's frames, made from its result stream and sent to a collector, in a thread of their own.

A trace is a sample: what a collector does not take, or what is published while it is waited for, is let go and counted.
Nothing here is asked of the daemon but its results, which it sends to whoever listens and waits for nobody.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Protocol, Self

from phenostream.daemon.monitor.spans import Span, is_sampled, spans
from phenostream.engine.errors import PhenostreamError

logger = logging.getLogger(__name__)

_LOOK_S: Final = 0.25
_SEND_S: Final = 2.0
"""Spans are sent so often, all that there are then."""
_MOST_SPANS: Final = 6000
"""That wait to be sent: a thousand frames."""
_END_S: Final = 6.0
"""Longer than a collector has for its answer, shorter than systemd waits for the monitor to stop."""


class Results(Protocol):
    """The result stream, as `Listener` hears it."""

    def heard(self, wait_s: float) -> Iterator[tuple[int, dict[str, Any]]]:
        """Offset and meta of the records that are there. Raises `Rejected` where we may not listen."""


class Collector(Protocol):
    """Takes spans."""

    def send(self, spans: Sequence[Span]) -> str | None:
        """Why it did not take them, None if it did; waits for its answer."""

    def close(self) -> None:
        """End a wait, and let go; from any thread."""


class Traces:
    """The thread; a context manager that starts and ends it.

    Attributes:
        spans: How many the collector took (`sent`) and how many not (`lost`); to be read from any thread.
    """

    def __init__(
        self,
        listen: Callable[[], AbstractContextManager[Results]],
        collector: Collector,
        one_in: int,
    ) -> None:
        """Start nothing yet.

        Args:
            listen: Subscribes to the results; called in the thread.
            collector: Where spans go.
            one_in: A frame in so many is traced, and each that was not published.
        """
        self.spans = Counter(sent=0, lost=0)
        self._listen = listen
        self._collector = collector
        self._one_in = one_in
        self._waiting: list[Span] = []
        self._refused = self._puzzled = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End; what was not sent is let go, and so is a collector that never ends its answer."""
        self._stop.set()
        self._collector.close()
        self._thread.join(_END_S)

    def _run(self) -> None:
        try:
            with self._listen() as results:
                self._follow(results)
        except PhenostreamError as err:
            logger.error("no frame is traced any more: %s", err)

    def _follow(self, results: Results) -> None:
        send_s = time.monotonic() + _SEND_S
        while not self._stop.is_set():
            for offset, meta in results.heard(_LOOK_S):
                self._take(offset, meta)
            if self._waiting and time.monotonic() >= send_s:
                self._send()
                send_s = time.monotonic() + _SEND_S

    def _take(self, offset: int, meta: dict[str, Any]) -> None:
        try:
            if not is_sampled(meta, self._one_in):
                return
            made = spans(meta, offset, time.time_ns())
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            if not self._puzzled:
                logger.warning("offset %d: a result of another version, not traced", offset)
            self._puzzled = True
            return
        if len(self._waiting) + len(made) > _MOST_SPANS:
            self.spans["lost"] += len(made)
        else:
            self._waiting += made

    def _send(self) -> None:
        sent, self._waiting = self._waiting, []
        why = self._collector.send(sent)
        if why is None:
            self.spans["sent"] += len(sent)
            if self._refused:
                logger.warning("the collector takes traces again")
        else:
            self.spans["lost"] += len(sent)
            if not self._refused and not self._stop.is_set():
                logger.warning("the collector takes no traces, which are lost: %s", why)
        self._refused = why is not None
