"""One infer request: rows of a batch in, rows of the outputs out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from phenostream.engine.backends.openvino.pieces import Piece
from phenostream.engine.types import F32, OUTPUT_SHAPES


class Stream:
    """A request of the compiled model. Serves one caller at a time; shares no state with others."""

    def __init__(self, openvino: Any, compiled: Any) -> None:
        self._tensor = openvino.Tensor
        self._request = compiled.create_infer_request()
        self._inputs = {name for port in compiled.inputs for name in port.get_names()}
        places = {name: at for at, port in enumerate(compiled.outputs) for name in port.get_names()}
        self._places = [places[name] for name in OUTPUT_SHAPES]
        self._lent: list[F32] = []

    def start(self, piece: Piece, images: F32, background: F32) -> None:
        """Begin to run some rows; `finish` must follow. The arrays must not change until then."""
        self._feed(piece, images, background)
        self._request.start_async()

    def finish(self) -> None:
        """Wait for what was started; raises what the runtime raises."""
        self._request.wait()

    def run(self, piece: Piece, images: F32, background: F32) -> None:
        """`start` and `finish` at once."""
        self._feed(piece, images, background)
        self._request.infer()

    def write(self, piece: Piece, columns: Sequence[F32]) -> None:
        """Copy the outputs of the piece into its rows of the caller's columns, in the order of `OUTPUT_SHAPES`."""
        for place, column in zip(self._places, columns, strict=True):
            rows = self._request.get_output_tensor(place).data
            column[piece.start : piece.stop] = rows[: piece.stop - piece.start]

    def _feed(self, piece: Piece, images: F32, background: F32) -> None:
        # Tensors share these arrays' memory without owning it: they are kept until the next. Copied only where needed.
        self._lent = [_rows(array, piece) for array in (images, background)]
        for name, array in zip(("images", "background"), self._lent, strict=True):
            if name in self._inputs:  # the plugin drops what an affine graph has no use for
                self._request.set_tensor(name, self._tensor(array, shared_memory=True))


def run_together(together: Sequence[tuple[Stream, Piece]], images: F32, background: F32) -> None:
    """Run a piece in each stream at the same time; what the runtime raises is raised when all have ended."""
    started: list[Stream] = []
    fault: Exception | None = None
    for stream, piece in together:
        try:
            stream.start(piece, images, background)
            started.append(stream)
        except Exception as err:  # the runtime raises its own unrelated types
            fault = err
            break
    for stream in started:
        try:
            stream.finish()
        except Exception as err:  # likewise
            fault = err
    if fault is not None:
        raise fault


def _rows(array: F32, piece: Piece) -> F32:
    """The piece's rows, with rows of zeros behind them where it is padded."""
    rows = array[piece.start : piece.stop]
    if len(rows) < piece.size:
        padded = np.zeros((piece.size, *array.shape[1:]), np.float32)
        padded[: len(rows)] = rows
        return padded
    return np.require(rows, np.float32, ("C", "W"))
