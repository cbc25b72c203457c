"""What a promise is to the rig, and what became of it."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

SizeName = Literal["small", "ci", "nightly"]


@dataclass(frozen=True)
class Setting:
    """How a promise is put to the test.

    Attributes:
        size: How much of everything: `small` for the rig's own tests, `ci` for `make chaos`, `nightly`.
        seed: Of every random choice but the scheduler's.
        folder: The promise's own, empty; short, because paths of ipc sockets are limited to 107 bytes.
        bundle: A bundle for the fake backend.
        broken: Name of the negative control (`controls.CONTROLS`) that is switched on; None: the product as it is.
    """

    size: SizeName
    seed: int
    folder: Path
    bundle: Path
    broken: str | None = None

    def of(self, small: int, ci: int, nightly: int) -> int:
        """The number that belongs to this size."""
        return {"small": small, "ci": ci, "nightly": nightly}[self.size]

    def chance(self) -> random.Random:
        """A fresh source of choices from the seed."""
        return random.Random(self.seed)  # noqa: S311 - faults, no secrets


@dataclass
class Outcome:
    """What was done and what was found.

    Attributes:
        done: Kills, frames, messages and so on.
        found: What the promise speaks of: lost, duplicates, growth of memory.
        breaches: One line each: what was promised and did not hold. Empty: it held.
        not_run: Why it could not be put to the test here; None if it was.
        remarks: What a reader must know beside the counts.
    """

    done: Counter[str] = field(default_factory=Counter)
    found: dict[str, float] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    not_run: str | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Literal["held", "BROKEN", "not run"]:
        """One word; a breach outweighs all else."""
        if self.breaches:
            return "BROKEN"
        return "held" if self.not_run is None else "not run"

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note a breach unless it holds."""
        if not holds:
            self.breaches.append(otherwise)


@dataclass(frozen=True)
class Promise:
    """One line of the table.

    Attributes:
        number: As in docs/promises.md.
        title: What is promised, in a few words.
        run: Puts it to the test.
    """

    number: int
    title: str
    run: Callable[[Setting], Outcome]
