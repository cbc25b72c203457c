"""Following a swap of models from outside: asked again and again until it is over, with every change told."""

import threading
from collections.abc import Callable
from typing import Any, Final

from phenostream.daemon.client.control import Control

OVER: Final = ("none", "serving", "refused", "rolled_back", "cancelled")
"""States in which nothing more will happen by itself."""
PAUSE_S: Final = 0.1
"""Between two questions."""


def follow_swap(
    control: Control,
    swap: dict[str, Any],
    on_look: Callable[[dict[str, Any]], None],
    enough: threading.Event | None = None,
) -> dict[str, Any]:
    """Look at a swap until it is over.

    Args:
        control: Of the daemon.
        swap: As it began.
        on_look: Called with the swap each time it was looked at.
        enough: Ends the looking; the swap goes on.

    Returns:
        What was seen last; over, unless it was enough before.

    Raises:
        As `Control.status`: such as the daemon ending meanwhile.
    """
    pause = enough or threading.Event()
    on_look(swap)
    while swap.get("state") not in OVER and not pause.wait(PAUSE_S):
        swap = control.model_swap()
        on_look(swap)
    return swap
