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
        serving, standby = self._serving, self._standby
        return (serving,) if standby is None else (serving, standby)

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

    def take_over(self, of: ServedModel, frames: int) -> ServedModel | None:
        """Who may take frames of a model that cannot infer them: the one that serves, or stands by.

        So many are under way of it then; `taken` must say which were really given.
        """
        with self._changed:
            to = next((model for model in self.live if model is not of), None)
            if to is not None:
                self._under_way[to] += frames
            return to

    def taken(self, of: ServedModel, to: ServedModel, given: int, kept: int) -> None:
        """Of the frames for `take_over`, so many changed their model, and so many did not."""
        with self._changed:
            self._under_way[of] -= given
            self._under_way[to] -= kept
            self._changed.notify_all()

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

    def is_over(self, model: ServedModel) -> bool:
        """Whether no frame is under way of a model that does not serve."""
        with self._changed:
            return self._followed is not model and not self._under_way[model]

    def let_go(self, timeout_s: float = _LOOK_S) -> ServedModel | None:
        """The model that stands by, if no frame is under way of it nor can be again, now or within the time.

        It stands by no longer: the caller closes it, and has it forgotten then.
        """

        def is_over() -> bool:
            gone = self._standby
            return gone is None or (self._followed is not gone and not self._under_way[gone])

        with self._changed:
            if not self._changed.wait_for(is_over, timeout_s):
                return None
            gone, self._standby = self._standby, None
            return gone

    def forget(self, model: ServedModel) -> None:
        """A model that neither serves nor stands by is closed."""
        with self._changed:
            self._under_way.pop(model, None)
            self._done.pop(model, None)

    def close(self) -> None:
        """Close every model that was not given away."""
        for model in self.live:
            model.close()
