"""What a journal has lost for good: offsets that were promised and whose bytes are no record any more."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REMEDY: Final = "`phenostream journal compact` acknowledges it"


@dataclass(frozen=True, slots=True)
class Loss:
    """One stretch of a file that is no record.

    Attributes:
        path: The file.
        byte: Position of the first bad byte.
        until_byte: Position after the last one; equal to `byte` where the file ends too early or is not there.
        first: First offset that is lost.
        end: Offset after the last one that is lost; equal to `first` where the bytes stood for none.
    """

    path: Path
    byte: int
    until_byte: int
    first: int
    end: int

    def __str__(self) -> str:
        """One line: file, position, offsets."""
        bad = self.until_byte - self.byte
        where = f"damaged at byte {self.byte}, {bad} bytes" if bad else f"ends at byte {self.byte}"
        return f"{self.path}: {where}: {self.offsets}"

    @property
    def offsets(self) -> str:
        """Which offsets, in words."""
        if self.first == self.end:
            return f"no offset is lost before {self.end}"
        if self.first + 1 == self.end:
            return f"offset {self.first} is lost"
        return f"offsets {self.first} to {self.end - 1} are lost"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and msgpack."""
        return {
            "path": str(self.path),
            "byte": self.byte,
            "until_byte": self.until_byte,
            "first": self.first,
            "end": self.end,
        }


def describe_losses(losses: Iterable[Loss]) -> str:
    """All of them in one line, the first few by name."""
    each = list(losses)
    lost = sum(loss.end - loss.first for loss in each)
    more = f" (and {len(each) - 1} more places, {lost} records in all)" if len(each) > 1 else ""
    return f"damaged: {each[0]}{more}; the rest is kept; {REMEDY}"
