"""What keeps systemd's watchdog quiet: proof that ingest, inference and journal go on, and nothing less.

A thread shows life when it is back at the top of its loop, having worked, or waited for work, at most half a second.
One inside a call that does not return, of an engine, of the disk, of a decoder, shows none. Word is sent only while
every thread has shown life a moment ago: so from where anything hangs, systemd waits for its own limit and less than a
second more. Nor is it sent while no engine is left that could infer, because calls hang in all of them: their threads
were replaced and live, but nothing they are given comes back.

What waits for the box is no hang: a full disk or a full table of descriptors passes, and a restart would not help.
"""

import logging
from collections.abc import Callable
from typing import Final

from phenostream.daemon.channel import BEAT_S
from phenostream.daemon.health import Health
from phenostream.daemon.notify import notify

logger = logging.getLogger(__name__)

FAULT: Final = "stalled"
LIFE_S: Final = BEAT_S + 0.3
"""A thread that showed life within this time goes on."""
STALLED_S: Final = 10.0
"""Silence that is a fault: a call of an engine may take as long before another engine takes over."""
_OFTEN_S: Final = 0.4


class Watchdog:
    """Belongs to the thread that watches over all others."""

    def __init__(
        self, health: Health, hung: Callable[[], str | None], limit_s: float | None
    ) -> None:
        """Begin to look.

        Args:
            health: Where threads show life.
            hung: Which engines no call comes back from, where no other is left; None while one is.
            limit_s: After which silence systemd ends the daemon; None: it does not watch.
        """
        self._health, self._hung, self._limit_s = health, hung, limit_s
        self._stalled_s = STALLED_S if limit_s is None else min(STALLED_S, limit_s / 2)
        # A jump of the clock before the first look shows only against one that was before.
        health.stalled(self._stalled_s)

    def tick_s(self, otherwise_s: float) -> float:
        """How often to look; `otherwise_s` where systemd does not watch."""
        return otherwise_s if self._limit_s is None else min(_OFTEN_S, self._limit_s / 3)

    def look(self) -> None:
        """Tell systemd that all goes on, if it does; and everybody else what does not."""
        hung = self._hung()
        if self._limit_s is not None and hung is None and not self._health.quiet(LIFE_S):
            notify("WATCHDOG=1")
        reason = ", ".join(self._health.stalled(self._stalled_s)) or hung
        if reason is None:
            self._health.recover(FAULT)
        elif self._health.degrade(FAULT, reason):
            logger.error("no sign of life from %s%s", reason, self._what_follows())

    def _what_follows(self) -> str:
        return "" if self._limit_s is None else f"; systemd ends this daemon in {self._limit_s:g} s"
