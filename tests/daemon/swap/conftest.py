"""A daemon's models without its sockets: frames that are inferred by whoever serves, and bundles for swaps of it."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.model import ServedModel, opened_model, verified_bundle
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.pipeline.entries import Entry
from phenostream.daemon.swap.models import Models
from phenostream.daemon.swap.shadow import Sample, Shadow
from phenostream.daemon.swap.state import Swap, SwapSettings
from phenostream.daemon.swap.swapper import Swapper
from phenostream.engine.backends import registry
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import SEAL, sealed
from phenostream.engine.types import F32, Outputs
from tests.system.toy_bundle import write_toy_bundle

CELLS = 16
WAIT_S = 20.0
MAX_SLOWDOWN = 5.0


class Odd(FakeBackend):
    """A fake whose bundle's version says what is odd about it; the test may change its mind while it runs."""

    def __init__(self, version: str, streams: int, max_batch: int) -> None:
        super().__init__(streams=streams, max_batch=max_batch)
        self.odd = version
        self.busy = threading.Event()
        self.released = threading.Event()

    def infer(self, images: F32, background: F32) -> Outputs:
        """As the fake, but for what is odd."""
        if self.closed:
            raise EngineFault("fake: used after close")
        outputs = super().infer(images, background)
        if self.odd == "fails" and self.calls > 3:  # it is tested and warmed up before
            raise EngineFault("fake: broken on live cells")
        if self.odd == "other":
            outputs.class_probability[:] = np.roll(outputs.class_probability, 1, axis=1)
        if self.odd == "shifted":
            outputs.marker_z[:, 2] += np.float32(0.25)
        if self.odd == "hangs" and self.calls > 3:
            self.released.wait(WAIT_S)
        if self.odd == "slow":
            self.busy.wait(0.1)
        return outputs


@dataclass
class World:
    """One daemon's models.

    Attributes:
        by: Version of the model of every frame so far, in order.
        entries: What the commit thread was given.
        opened: Every backend that was opened, by the version of its bundle.
    """

    folder: Path
    opened: list[Odd]
    by: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = ModelConfig(
            bundle=str(self.bundle("1")), backend="fake", streams=1, max_batch=32
        )
        first = opened_model(verified_bundle(self.config), self.config, None)
        self.models, self.shadow = Models(first), Shadow()
        self.swapper = Swapper(self.models, self.shadow, self.config, self.entries.append)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def bundle(self, version: str, **changes: Any) -> Path:
        """A toy bundle of this version."""
        folder = self.folder / f"bundle-{version}-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        write_toy_bundle(folder)
        path = folder / "manifest.json"
        content = json.loads(path.read_text()) | {"version": version} | changes
        content.pop(SEAL)
        path.write_text(json.dumps(sealed(content)))
        return folder

    def stream(self) -> None:
        """Let frames come, one after the other, until the end of the test."""
        self._thread = threading.Thread(target=self._frames, name="frames", daemon=True)
        self._thread.start()

    def swap(self, bundle: Path, **settings: Any) -> Swap:
        """Ask for a swap and wait for its end."""
        self.ask(bundle, **settings)
        return self.ended()

    def ask(self, bundle: Path, **settings: Any) -> None:
        """Ask for a swap; the fake is so quick that what else the box does may look like a model twice as slow."""
        few = SwapSettings(bundle, cells=64, wait_s=WAIT_S, max_slowdown=MAX_SLOWDOWN)
        self.swapper.load(replace(few, **settings))

    def ended(self) -> Swap:
        """Wait for the end of the swap."""
        self.swapper.join(2 * WAIT_S)
        swap = self.swapper._state.now
        assert not swap.under_way
        return swap

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        beat = threading.Event()
        for _ in range(int(WAIT_S / 0.002)):
            if holds():
                return
            beat.wait(0.002)
        raise AssertionError(f"still {self.swapper.told()}")

    def close(self) -> None:
        """The end."""
        self._over.set()
        for backend in self.opened:
            backend.released.set()
        if self._thread is not None:
            self._thread.join(10)
        self.swapper.stop()
        self.swapper.join(10)
        self.models.close()

    def _frames(self) -> None:
        rng = np.random.default_rng(1)
        model = self.models.serving
        while not self._over.is_set():
            flips = self.models.take_flips()
            self.entries.extend(flips)
            model = flips[-1].after if flips else model
            self.models.enter(model)
            images = rng.random((CELLS, 4, 28, 28), np.float32)
            self._infer(model, images)
            self.models.leave(model)
            self._over.wait(0.001)

    def _infer(self, model: ServedModel, images: F32) -> None:
        background = np.full((len(images), 4), 0.5, np.float32)
        row = model.engines.choose()
        if row is None:
            self.by.append("none")
            return
        try:
            outputs = row.opened.infer(images, background)
        except EngineFault as err:
            model.engines.put_down(row, str(err))
            self.by.append("none")
            return
        self.by.append(model.manifest.version)
        self.shadow.offer(model, Sample(images, background, outputs), 1e-3 * len(images))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A model of version 1 serves; the fake backend is odd in the way that a bundle's version says."""
    opened: list[Odd] = []

    def make(bundle: Bundle, options: BackendOptions) -> Odd:
        opened.append(Odd(bundle.manifest.version, options.streams, options.max_batch))
        return opened[-1]

    monkeypatch.setitem(registry.BACKENDS, "fake", make)
    world = World(tmp_path, opened)
    yield world
    world.close()
