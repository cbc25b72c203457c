"""Engines made of fake backends: one that serves, others that may take over."""

from collections.abc import Callable

import numpy as np

from phenostream.engine.backends.checked import CheckedBackend
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.errors import EngineFault, MissingPackage

GOLDEN = np.full((2, 4, 28, 28), 0.5, np.float32), np.full((2, 4), 0.5, np.float32)


class FakeOpener:
    """Opens rows by name from what the test gives; "golden" is that a grey crop gives finite outputs."""

    def __init__(self, **rows: Callable[[], FakeBackend]) -> None:
        self.rows = rows
        self.opened: list[str] = []

    def open(self, name: str) -> tuple[Backend, float]:
        """A new fake of this row's name."""
        self.opened.append(name)
        make = self.rows.get(name)
        if make is None:
            raise MissingPackage(f"{name} is not installed")
        return checked(make(), name), 0.0

    def test(self, backend: Backend) -> None:
        """One call."""
        backend.infer(*GOLDEN)


def checked(backend: FakeBackend, name: str) -> Backend:
    """As the registry hands it out, under another name."""
    made = CheckedBackend(backend)
    made.name = name
    return made


def fail_always() -> FakeBackend:
    """A fake that raises at every call."""

    class Broken(FakeBackend):
        def infer(self, images: object, background: object) -> object:  # type: ignore[override]  # never returns
            self.calls = next(self._numbers)
            raise EngineFault("broken for good")

    return Broken()
