"""Takes the requests for a swap: one at a time."""

from typing import Any

from phenostream.daemon.swap.state import SwapSettings, SwapState
from phenostream.engine.errors import BadInput


class Swapper:
    """One per daemon; see `Swaps`."""

    def __init__(self) -> None:
        self._state = SwapState()

    def load(self, settings: SwapSettings) -> dict[str, Any]:
        """Begin a swap.

        Raises:
            BadInput: It cannot begin.
        """
        raise BadInput(f"model_load: {settings.bundle}: this daemon keeps the model it has")

    def cancel(self) -> dict[str, Any]:
        """End the swap that is under way.

        Raises:
            BadInput: There is none.
        """
        raise BadInput("model_cancel: no swap is under way")

    def told(self) -> dict[str, Any]:
        """How the newest swap stands."""
        return self._state.told()
