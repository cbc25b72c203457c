"""Which offsets a journal does not hold any more, and why: a table made from it may lack their frames."""

from dataclasses import dataclass
from typing import Final

_WHY: Final = {
    "removed": "retention removed",
    "damage": "given up after damage",
    "dropped": "dropped by a person",
}


@dataclass(slots=True)
class _Stretch:
    count: int
    first: int
    last: int

    def __str__(self) -> str:
        if self.count == 1:
            return f"offset {self.first}"
        if self.count == self.last - self.first + 1:
            return f"offsets {self.first} to {self.last}"
        return f"{self.count} offsets from {self.first} to {self.last}"


class Gone:
    """What was found to be gone, summed up by reason: ``removed`` at the old end, ``damage`` or ``dropped`` as gaps."""

    def __init__(self) -> None:
        """Nothing is gone yet."""
        self._found: dict[str, _Stretch] = {}

    def take(self, first: int, end: int, why: str) -> None:
        """Take a stretch into account, in order of offsets; an empty one is none."""
        if first >= end:
            return
        known = self._found.setdefault(why, _Stretch(0, first, first))
        known.count += end - first
        known.last = end - 1

    @property
    def by_damage(self) -> bool:
        """Whether any of it is gone without anybody having wished so."""
        return "damage" in self._found

    def lines(self) -> tuple[str, ...]:
        """One line a reason."""
        return tuple(f"{_WHY[why]}: {stretch}" for why, stretch in self._found.items())
