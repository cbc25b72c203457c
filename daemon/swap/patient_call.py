"""One call of a backend in a thread of its own, so that whoever asked can give up on it.

A swap's thread that hangs in a model that does not serve could not take a model back any more that does. Time is
counted in looks, as of the calls that infer frames: a box that stops the whole process makes no call late.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from phenostream.engine.types import Outputs

_LOOK_S: Final = 0.25


class Late(Exception):
    """It has not returned in time."""


def patient_call(
    work: Callable[[], Outputs], limit_s: float, returned: Callable[[], object]
) -> Outputs:
    """What `work` returns or raises.

    Args:
        work: Called once, in another thread.
        limit_s: Longest time it may take.
        returned: Called when work that was given up on has returned after all, in its thread.

    Raises:
        Late: It takes longer; it goes on, and what it returns is dropped.
    """
    call = _Call(work, returned)
    threading.Thread(target=call.run, name="model-swap-call", daemon=True).start()
    waited_s, looked_s = 0.0, time.monotonic()
    while not call.done.wait(min(_LOOK_S, limit_s)):
        now_s = time.monotonic()
        waited_s += min(now_s - looked_s, 2 * _LOOK_S)
        looked_s = now_s
        if waited_s >= limit_s and call.give_up():
            raise Late
    return call.outcome()


class _Call:
    """Either returned to who asked, or given up on, never both: one lock decides."""

    def __init__(self, work: Callable[[], Outputs], returned: Callable[[], object]) -> None:
        self.done = threading.Event()
        self._work, self._returned = work, returned
        self._lock = threading.Lock()
        self._given_up = False
        self._found: Outputs | BaseException | None = None

    def run(self) -> None:
        try:
            self._found = self._work()
        except BaseException as err:  # handed to who asked
            self._found = err
        with self._lock:
            self.done.set()
            late = self._given_up
        if late:
            self._returned()

    def give_up(self) -> bool:
        """Whether it had not returned by now."""
        with self._lock:
            self._given_up = not self.done.is_set()
            return self._given_up

    def outcome(self) -> Outputs:
        if isinstance(self._found, Outputs):
            return self._found
        raise self._found or RuntimeError("a call without an outcome")
