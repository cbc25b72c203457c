"""Which model serves, which one stands by, and which frames are still under way of each.

The prepare thread asks once for every frame, so that a frame is wholly one model's; the commit thread says when a frame
is on disk. A model that left is closed by whoever took it out, after its last frame. Safe from any thread.
"""

from threading import Condition
from typing import Any, Final

from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.entries import ModelChanged

_LOOK_S: Final = 0.2


class Models:
    """The models of one daemon."""

    def __init__(self, first: ServedModel) -> None:
        """Begin with the configured one."""
        self._changed = Condition()
        self._serving = self._followed = first
        self._standby: ServedModel | None = None
        self._flips: list[ModelChanged] = []
        self._under_way = {first: 0}
        self._done = {first: 0}

    @property
    def serving(self) -> ServedModel:
        """Which model the next frame is given to."""
        return self._serving

    @property
    def standby(self) -> ServedModel | None:
        """Which model is warm and can take over at once."""
        return self._standby

    @property
    def live(self) -> tuple[ServedModel, ...]:
        """The model that serves, and the one that stands by."""
        with self._changed:
            return (self._serving,) if self._standby is None else (self._serving, self._standby)

    def of(self, model: ServedModel | None) -> ServedModel:
        """Who answers for a frame: the model it was given to, else the one that serves."""
        return model or self._serving

    def enter(self, model: ServedModel) -> None:
        """A frame was given to a model."""
        with self._changed:
            self._under_way[model] += 1

    def leave(self, model: ServedModel) -> None:
        """The fate of a frame that was given to a model is on disk."""
        with self._changed:
            self._under_way[model] -= 1
            self._done[model] += 1
            self._changed.notify_all()

    def done(self, model: ServedModel) -> int:
        """Frames of a model whose fate is on disk."""
        with self._changed:
            return self._done.get(model, 0)

    def move(self, of: ServedModel, to: ServedModel, frames: int) -> None:
        """Frames that were given to a model are another one's now."""
        with self._changed:
            self._under_way[of] -= frames
            self._under_way[to] += frames
            self._changed.notify_all()

    def take_over(self, of: ServedModel) -> ServedModel | None:
        """Who may take the frames of a model that cannot infer them: the one that serves, or stands by."""
        return next((model for model in self.live if model is not of), None)

    def flip(self, to: ServedModel, why: str, facts: dict[str, Any] | None = None) -> ServedModel:
        """Let a model serve from the next frame on; the one that served stands by, and is returned.

        Args:
            to: Warm.
            why: For a person.
            facts: What else the journal shall say of it.
        """
        with self._changed:
            before, self._serving = self._serving, to
            self._standby = before
            self._under_way.setdefault(to, 0)
            self._done.setdefault(to, 0)
            self._flips.append(ModelChanged(before, to, why, facts or {}))
            return before

    def take_flips(self) -> list[ModelChanged]:
        """What has changed since the last call, for the one thread that gives frames to models: it follows now."""
        if not self._flips:  # asked for every frame
            return []
        with self._changed:
            flips, self._flips = self._flips, []
            self._followed = flips[-1].after
            self._changed.notify_all()
            return flips

    def let_go(self) -> ServedModel | None:
        """No model stands by any longer; the one that did is the caller's, to be closed after its last frame."""
        with self._changed:
            gone, self._standby = self._standby, None
            return gone

    def wait_for_last(self, model: ServedModel, timeout_s: float = _LOOK_S) -> bool:
        """Whether no frame of a model is under way nor can be again, now or within the time."""

        def is_over() -> bool:
            return self._followed is not model and not self._under_way.get(model)

        with self._changed:
            return self._changed.wait_for(is_over, timeout_s)

    def forget(self, model: ServedModel) -> None:
        """A model that neither serves nor stands by is closed."""
        with self._changed:
            self._under_way.pop(model, None)
            self._done.pop(model, None)

    def close(self) -> None:
        """Close every model that was not given away."""
        for model in self.live:
            model.close()
