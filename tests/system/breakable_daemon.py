"""A daemon process one of whose backends breaks on command; the product has no such switch, so a runner patches it.

The mood is a word in a file, read at every call of the backend: ``well``; ``raise``; ``nan`` (all cells); ``nan_first``
(the first cell of every call); ``hang`` (the call returns when the mood changes). Calls of the golden self-test are no
exception.

As a program: `python -m tests.system.breakable_daemon ROW MOOD_FILE COMMAND ...` runs `phenostream COMMAND ...`.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np

from phenostream.deploy.cli.main import main
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.backends.onnxruntime import OnnxRuntimeBackend
from phenostream.engine.backends.openvino.backend import OpenVinoBackend
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import F32, Outputs
from tests.system.daemon_process import DaemonProcess

ROWS: Final[dict[str, Any]] = {
    "fake": FakeBackend,
    "openvino": OpenVinoBackend,
    "onnxruntime": OnnxRuntimeBackend,
}
MOODS: Final = ("well", "raise", "nan", "nan_first", "hang")
_LOOK_S: Final = 0.02


class BreakableDaemon(DaemonProcess):
    """As `DaemonProcess`, with a mood for the backend it is configured with."""

    def __init__(self, folder: Path, bundle: Path, extra: str = "", backend: str = "fake") -> None:
        super().__init__(folder, bundle, extra, backend=backend)
        self._mood = folder / "mood"
        self.set_mood("well")
        module = "tests.system.breakable_daemon"
        self.command = (
            *(sys.executable, "-m", module, backend, str(self._mood)),
            *("run", "--json", "--config"),
        )

    def set_mood(self, mood: str) -> None:
        """From the next call on; written beside and moved, so that no call reads half a word."""
        beside = self._mood.with_suffix(".new")
        beside.write_text(mood)
        beside.replace(self._mood)


def plant(row: str, mood: Callable[[], str]) -> None:
    """Have the backend of a row be in the mood that `mood` says at every call."""
    kind = ROWS[row]
    infer = kind.infer

    def moody(backend: Any, images: F32, background: F32) -> Outputs:
        word = mood()
        while mood() == "hang":
            Event().wait(_LOOK_S)
        if word == "raise":
            raise EngineFault(f"{row}: told to fail")
        outputs: Outputs = infer(backend, images, background)
        if word.startswith("nan"):
            outputs.marker_z[0 : 1 if word == "nan_first" else None] = np.nan
        return outputs

    kind.infer = moody


if __name__ == "__main__":
    plant(sys.argv[1], Path(sys.argv[2]).read_text)
    sys.exit(main(sys.argv[3:]))
