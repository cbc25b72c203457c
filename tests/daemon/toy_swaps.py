"""Answers to requests for a swap, without a model."""

from typing import Any

from phenostream.daemon.swap.state import SwapSettings, SwapState
from phenostream.engine.errors import BadInput


class ToySwaps:
    """Loads whatever is asked for, for ever."""

    def __init__(self) -> None:
        self.state = SwapState()
        self.asked: list[SwapSettings] = []

    def load(self, settings: SwapSettings) -> dict[str, Any]:
        """Begin one."""
        if self.state.begin(settings, {"name": "toy"}) is None:
            raise BadInput("model_load: swap 1 is under way")
        self.asked.append(settings)
        return self.told()

    def cancel(self) -> dict[str, Any]:
        """End it."""
        if not self.state.now.under_way:
            raise BadInput("model_cancel: no swap is under way")
        self.state.enter("cancelled", reason="cancelled by an operator")
        return self.told()

    def told(self) -> dict[str, Any]:
        """How it stands."""
        return self.state.told()
