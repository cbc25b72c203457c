"""Waiting for what another process will do: asked again and again, never slept for."""

import threading
from collections.abc import Callable
from typing import Final

PAUSE_S: Final = 0.05
TIMES: Final = 400


def becomes(true: Callable[[], bool]) -> bool:
    """Ask until it is true, for at least twenty seconds."""
    pause = threading.Event()
    return any(true() or pause.wait(PAUSE_S) for _ in range(TIMES))
