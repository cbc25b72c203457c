"""Takes the requests for a swap: one at a time, each in a thread of its own that ends with it."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.pipeline.entries import Entry
from phenostream.daemon.swap.models import Models
from phenostream.daemon.swap.run import Stage, SwapRun, facts_of
from phenostream.daemon.swap.shadow import Shadow
from phenostream.daemon.swap.state import SwapSettings, SwapState
from phenostream.engine.errors import BadInput

logger = logging.getLogger(__name__)


class Swapper:
    """One per daemon; see `Swaps`. Every method answers at once; safe from any thread."""

    def __init__(
        self,
        models: Models,
        shadow: Shadow,
        config: ModelConfig,
        enter: Callable[[Entry], None],
    ) -> None:
        """Begin without a swap.

        Args:
            models: Which serves.
            shadow: Where live cells are left.
            config: Of the model that is configured: backend, keys and engine cache are those of every model.
            enter: Hands something to the commit thread.
        """
        self._models = models
        self._shadow = shadow
        self._config = config
        self._enter = enter
        self._state = SwapState()
        self._cancelled = threading.Event()
        self._stopping = threading.Event()
        self._idle: set[int] = set()
        self._thread: threading.Thread | None = None

    def load(self, settings: SwapSettings) -> dict[str, Any]:
        """Begin a swap.

        Raises:
            BadInput: One is under way, or the daemon stops.
        """
        if self._stopping.is_set():
            raise BadInput("model_load: the daemon stops")
        swap = self._state.begin(settings, facts_of(self._models.serving))
        if swap is None:
            under_way = self._state.now
            raise BadInput(
                f"model_load: swap {under_way.number} is under way ({under_way.state}): wait for its end or cancel it"
            )
        logger.warning("model swap %d: %s is loaded", swap.number, settings.bundle)
        self._cancelled = threading.Event()
        stage = Stage(
            self._models,
            self._shadow,
            self._config,
            self._state,
            self._enter,
            self._cancelled,
            self._stopping,
            self._idle,
        )
        self._thread = threading.Thread(
            target=SwapRun(stage, settings).run, name="model-swap", daemon=True
        )
        self._thread.start()
        return self._state.told()

    def cancel(self) -> dict[str, Any]:
        """End the swap that is under way.

        Raises:
            BadInput: There is none.
        """
        if not self._state.now.under_way:
            raise BadInput("model_cancel: no swap is under way")
        self._cancelled.set()
        return self._state.told()

    def told(self) -> dict[str, Any]:
        """How the newest swap stands."""
        return self._state.told()

    def stop(self) -> None:
        """Begin no swap any more, and end the one that is under way: whichever model serves now goes on."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for its end; a runtime that is loading a model cannot be interrupted, and ends with the process."""
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                logger.warning("model swap: left in the middle of %s", self._state.now.state)
