"""Bundles that are not the shipped one: made of it, sealed anew, with golden outputs that are true of them.

A bias of the shipped graph is moved, so that classes or markers come out otherwise by a known amount, or a line of the
manifest is changed. What is moved is computed anew with ONNX Runtime; only the fp32 graph is kept.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.bundle import load_bundle
from phenostream.engine.manifest import SEAL, sealed
from phenostream.engine.types import OUTPUT_SHAPES

_LOGITS: Final = "whole.phenotyper.network.classifier.classifier.8.bias"
_MARKER_Z: Final = "whole.phenotyper.network.regressor.regressor.8.bias"


@dataclass(frozen=True)
class Other:
    """How a bundle differs from the shipped one.

    Attributes:
        version: What it calls itself.
        logits: Added to `class_logits`: a large one makes every cell that class.
        marker_z: Added to every `marker_z`, in standard deviations.
        manifest: Lines of the manifest that say something else.
        true_golden: The golden outputs are its own; if not, they are the shipped model's and the self-test must fail.
    """

    version: str = "0.3.0-other"
    logits: tuple[float, float, float] = (0.0, 0.0, 0.0)
    marker_z: float = 0.0
    manifest: Mapping[str, Any] = field(default_factory=dict)
    true_golden: bool = True


def write_other(folder: Path, other: Other) -> Path:
    """Write it into a new folder, unsigned; the folder."""
    shipped = load_bundle(demo_bundle())
    model = _moved(shipped.files["model.onnx"], other)
    golden = {"images": shipped.golden.crops.images, "background": shipped.golden.crops.background}
    if other.true_golden:
        golden |= _outputs(model, golden)
    else:
        golden |= {name: getattr(shipped.golden.outputs, name) for name in OUTPUT_SHAPES}
    archive = io.BytesIO()
    np.savez(archive, **golden)  # type: ignore[arg-type]  # its keywords are arrays and one flag
    files = {"golden.npz": archive.getvalue(), "model.onnx": model}
    content = json.loads(shipped.text)
    del content[SEAL]
    for told in (
        "int8",
        "training_population",
        "normalisation",
    ):  # figures of a graph and of a file that are left out
        content.pop(told, None)
    content["version"] = other.version
    content["golden"] = {name: content["golden"][name] for name in ("fp32", "bf16")}
    content["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in files.items()
    }
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_text(json.dumps(sealed(content | dict(other.manifest))))
    return folder


def _moved(graph: bytes, other: Other) -> bytes:
    model = onnx.load_from_string(graph)
    added = {_LOGITS: np.array(other.logits, np.float32), _MARKER_Z: np.float32(other.marker_z)}
    for tensor in model.graph.initializer:
        if tensor.name in added:
            values = numpy_helper.to_array(tensor) + added.pop(tensor.name)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    assert not added, f"the shipped graph has no {', '.join(added)}"
    return bytes(model.SerializeToString())


def _outputs(model: bytes, inputs: Mapping[str, Any]) -> dict[str, Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = dict(zip([one.name for one in session.get_inputs()], inputs.values(), strict=True))
    names = list(OUTPUT_SHAPES)
    return dict(zip(names, session.run(names, feeds), strict=True))
