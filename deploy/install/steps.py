"""What an installation does, told one line a step: done, already so, or what would be done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

State = Literal["done", "already so", "would do", "left alone"]


@dataclass(frozen=True, slots=True)
class Step:
    """One of them.

    Attributes:
        what: For a person, with the path or unit it is about.
        state: What became of it.
    """

    what: str
    state: State


@dataclass(slots=True)
class Steps:
    """All that was done so far.

    Attributes:
        dry: Nothing is done, only told.
        tell: Called with each step at once.
        taken: In their order.
    """

    dry: bool
    tell: Callable[[Step], None] = lambda step: None
    taken: list[Step] = field(default_factory=list)

    def ensure(self, what: str, is_so: bool, act: Callable[[], object]) -> bool:
        """See to it that something is so; whether it was not."""
        if is_so:
            self._took(what, "already so")
            return False
        if not self.dry:
            act()
        self._took(what, "would do" if self.dry else "done")
        return True

    def leave(self, what: str) -> None:
        """Tell of what is not ours to change, and why."""
        self._took(what, "left alone")

    @property
    def changed(self) -> bool:
        """Whether anything was done, or would be."""
        return any(step.state in ("done", "would do") for step in self.taken)

    def _took(self, what: str, state: State) -> None:
        step = Step(what, state)
        self.taken.append(step)
        self.tell(step)
