"""How large values inside a graph become on cells: what the scales of int8 are fitted to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx

from phenostream.engine.backends.onnxruntime import import_onnxruntime
from phenostream.engine.types import F32
from phenostream.trainer.data.cell_set import CellSet

_BATCH: Final = 32
KEPT: Final = 0.97
"""Share of the cells whose lowest, and whose highest, number lies within the range; the others are clipped a little.
What each share gives: docs/measurements/int8.md."""


@dataclass(frozen=True, slots=True)
class Range:
    """Of one value over nearly all cells: the lowest and the highest number."""

    low: float
    high: float


def measure_ranges(model: bytes, values: Sequence[str], cells: CellSet) -> dict[str, Range]:
    """Run a float32 graph on cells and look at values inside it.

    Args:
        model: The graph.
        values: Names of values in it.
        cells: At least one.

    Returns:
        Ranges by name.
    """
    low: dict[str, list[F32]] = {name: [] for name in values}
    high: dict[str, list[F32]] = {name: [] for name in values}
    for batch in values_on(model, values, cells):
        for name, found in zip(values, batch, strict=True):
            of_cells = found.reshape(len(found), -1)
            low[name].append(of_cells.min(axis=1))
            high[name].append(of_cells.max(axis=1))
    return {name: _range(np.concatenate(low[name]), np.concatenate(high[name])) for name in values}


def values_on(model: bytes, values: Sequence[str], cells: CellSet) -> Iterator[list[F32]]:
    """Run a graph on cells, some at a time, and give values inside it, each (cells, ...)."""
    session = _session(model, values)
    for start in range(0, len(cells), _BATCH):
        rows = slice(start, start + _BATCH)
        feeds = {"images": cells.images[rows], "background": cells.background[rows]}
        yield session.run(list(values), feeds)


def _range(lowest: F32, highest: F32) -> Range:
    """Of the lowest and highest number of each cell."""
    return Range(float(np.quantile(lowest, 1 - KEPT)), float(np.quantile(highest, KEPT)))


def _session(content: bytes, values: Sequence[str]) -> Any:
    model = onnx.load_model_from_string(content)
    del model.graph.output[:]
    for name in values:
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        )
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
