"""A daemon whose models behave on command, by the version that their bundle gives itself.

Fake models agree whatever their bundle; here those of a version that begins with ``contrary`` call every class by
another name, and those of one that begins with ``moody`` are in the mood that a file says, read at every call:
``well``; ``raise``; ``nan``; ``slow`` (each call takes `SLOW_S` longer); ``hang`` (until the mood changes).

As a program: `python -m tests.system.swappable_daemon MOOD_FILE COMMAND ...` runs `phenostream COMMAND ...`.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np

from phenostream.deploy.cli.main import main
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.backends.registry import BACKENDS
from phenostream.engine.bundle import MANIFEST, Bundle
from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import SEAL, sealed
from phenostream.engine.types import F32, Outputs
from tests.system.daemon_process import DaemonProcess
from tests.system.toy_bundle import write_toy_bundle

SLOW_S: Final = 0.05
_LOOK_S: Final = 0.01


class SwappableDaemon(DaemonProcess):
    """As `DaemonProcess` on a toy bundle of version 1, with other toy bundles to go over to."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        super().__init__(folder, write_toy(folder / "first", "1"), extra)
        self._mood = folder / "mood"
        self.set_mood("well")
        module = "tests.system.swappable_daemon"
        self.command = (
            *(sys.executable, "-m", module, str(self._mood)),
            *("run", "--json", "--config"),
        )

    def set_mood(self, mood: str) -> None:
        """From the next call on; written beside and moved, so that no call reads half a word."""
        beside = self._mood.with_suffix(".new")
        beside.write_text(mood)
        beside.replace(self._mood)


def write_toy(folder: Path, version: str, **changes: Any) -> Path:
    """A toy bundle of a version, with other changes to its manifest; the new folder."""
    folder.mkdir(parents=True)
    write_toy_bundle(folder)
    content = json.loads((folder / MANIFEST).read_text())
    del content[SEAL]
    (folder / MANIFEST).write_text(json.dumps(sealed(content | {"version": version} | changes)))
    return folder


def copied(source: Path, folder: Path) -> Path:
    """A copy of a bundle that a test may harm."""
    return Path(shutil.copytree(source, folder))


class _Contrary(FakeBackend):
    """Each class is called by the name of the next."""

    def infer(self, images: F32, background: F32) -> Outputs:
        outputs = super().infer(images, background)
        outputs.class_logits[:] = np.roll(outputs.class_logits, 1, axis=1)
        outputs.class_probability[:] = np.roll(outputs.class_probability, 1, axis=1)
        return outputs


class _Moody(FakeBackend):
    def __init__(self, mood: Callable[[], str], streams: int, max_batch: int) -> None:
        super().__init__(streams=streams, max_batch=max_batch)
        self._mood = mood

    def infer(self, images: F32, background: F32) -> Outputs:
        mood = self._mood()
        while self._mood() == "hang":
            Event().wait(_LOOK_S)
        if mood == "raise":
            raise EngineFault("fake: told to fail")
        if mood == "slow":
            Event().wait(SLOW_S)  # how slow it is, not what it waits for
        outputs = super().infer(images, background)
        if mood == "nan":
            outputs.marker_z[:] = np.nan
        return outputs


def plant(mood: Callable[[], str]) -> None:
    """Have the fake backend look at its bundle's version."""

    def fake(bundle: Bundle, options: BackendOptions) -> Backend:
        version = bundle.manifest.version
        if version.startswith("contrary"):
            return _Contrary(streams=options.streams, max_batch=options.max_batch)
        if version.startswith("moody"):
            return _Moody(mood, options.streams, options.max_batch)
        return FakeBackend(streams=options.streams, max_batch=options.max_batch)

    BACKENDS["fake"] = fake


if __name__ == "__main__":
    plant(Path(sys.argv[1]).read_text)
    sys.exit(main(sys.argv[2:]))
