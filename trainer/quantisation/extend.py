"""From a bundle to the same bundle with an int8 graph, if that graph passes its gate; else nothing is written."""

import io
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from phenostream.engine.backends.checked import INT8_TOLERANCE
from phenostream.engine.bundle import GOLDEN_INT8, Bundle
from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import GoldenTolerance, Int8Facts, Precision
from phenostream.engine.types import OUTPUT_SHAPES, Crops, Outputs
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.export import file_entries, refuse_foreign_folder, write_folder
from phenostream.trainer.quantisation.bias import with_means_kept
from phenostream.trainer.quantisation.cells import QuantisationCells
from phenostream.trainer.quantisation.gate import Judge, refuse
from phenostream.trainer.quantisation.placement import place
from phenostream.trainer.quantisation.qdq import quantised
from phenostream.trainer.quantisation.ranges import measure_ranges
from phenostream.trainer.quantisation.runtimes import RUNTIMES, answers
from phenostream.trainer.tolerances import MARGIN

logger = logging.getLogger(__name__)

MODEL_INT8: Final = "model.int8.onnx"
OnStep = Callable[[str], object]
STEPS: Final = 3 + len(RUNTIMES)
"""How often `add_int8` calls `on_step`."""
_COMPARED: Final = (
    "class_logits",
    "marker_z",
    "class_probability",
    "ood_score",
    "reject_probability",
    "feature",
)
"""Outputs with a tolerance; the others are made from these, in float32."""
_LEAST_TOLERANCE: Final = 0.01


def add_int8(
    source: Bundle,
    cells: QuantisationCells,
    out_dir: Path,
    on_step: OnStep = lambda name: None,
) -> Int8Facts:
    """Quantise a bundle's graph, judge it in both CPU runtimes, and write the bundle with it.

    Every other file of the bundle is kept byte for byte; a signature is not, since it is of another manifest.

    Args:
        source: What to extend; an int8 graph that it has is made anew.
        cells: To calibrate and to judge on.
        out_dir: As of `trainer.export.write_bundle`; may be where `source` was read.
        on_step: Called with a name after each step.

    Raises:
        BadInput: `out_dir` holds something else than a bundle.
        EngineFault: The graph has nothing to quantise, or did not pass: the line says by how much.
    """
    refuse_foreign_folder(out_dir)
    graph = quantise(source.files["model.onnx"], cells.calibrate)
    on_step("scales")
    crops = Crops(cells.judge.images, cells.judge.background)
    _, truth = answers("onnxruntime", source, source.files["model.onnx"], crops)
    on_step("float32")
    judge = Judge(cells.judge, truth, source.manifest.calibration)
    judged = []
    for runtime in RUNTIMES:
        figures = judge.figures(*answers(runtime, source, graph, crops))
        refuse(figures)
        judged.append(figures)
        on_step(runtime)
    facts = Int8Facts(
        calibrated_on=cells.calibrated_on,
        calibration_cells=len(cells.calibrate),
        judged_on=cells.judged_on,
        judged_cells=len(cells.judge),
        judged_white=int(cells.judge.white.sum()),
        synthetic=cells.synthetic,
        judged=tuple(judged),
    )
    _write(source, graph, facts, out_dir)
    on_step("written")
    return facts


def quantise(content: bytes, cells: CellSet) -> bytes:
    """A float32 graph in int8, its scales fitted to cells; whether it is any good is not asked.

    Raises:
        EngineFault: There is nothing in it to quantise.
    """
    placement = place(onnx.load_model_from_string(content))
    if not placement.nodes:
        raise EngineFault("int8: the graph has no wide convolution and no product to quantise")
    rounded = quantised(content, placement, measure_ranges(content, placement.values, cells))
    return with_means_kept(content, rounded, placement, cells)


def _write(source: Bundle, graph: bytes, facts: Int8Facts, out_dir: Path) -> None:
    _, golden = answers("onnxruntime", source, graph, source.golden.crops)
    _, other = answers("openvino", source, graph, source.golden.crops)
    contents = {**source.files, MODEL_INT8: graph, GOLDEN_INT8: _npz(golden)}
    tolerances: dict[Precision, GoldenTolerance] = {
        **source.manifest.golden,
        "int8": GoldenTolerance(tolerance=_tolerances(golden, other)),
    }
    manifest = source.manifest.model_copy(
        update={"golden": tolerances, "int8": facts, "files": file_entries(contents)}
    )
    write_folder(contents, manifest, out_dir)
    logger.info("bundle %s: %d KiB", out_dir, sum(map(len, contents.values())) >> 10)


def _tolerances(golden: Outputs, other: Outputs) -> dict[str, float]:
    """A small multiple of what two runtimes are apart on the golden crops.

    Raises:
        EngineFault: They are further apart than any int8 graph may be.
    """
    allowed = {}
    for name in _COMPARED:
        apart = float(np.abs(getattr(golden, name) - getattr(other, name)).max())
        allowed[name] = max(MARGIN * apart, _LEAST_TOLERANCE)
        if name in ("class_logits", "marker_z") and apart > INT8_TOLERANCE:
            raise EngineFault(
                f"int8 is not written: {name} of two runtimes differs by {apart:.2g}, allowed {INT8_TOLERANCE}"
            )
    return allowed


def _npz(outputs: Outputs) -> bytes:
    buffer = io.BytesIO()
    columns: Mapping[str, Any] = {name: getattr(outputs, name) for name in OUTPUT_SHAPES}
    np.savez_compressed(buffer, **columns)
    return buffer.getvalue()
