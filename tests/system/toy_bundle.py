"""A bundle that passes every check of the loader and holds no model: for the fake backend."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from phenostream.engine.manifest import sealed
from phenostream.engine.types import (
    CLASSES,
    MARKERS,
    OUTPUT_SHAPES,
    REDUCED_PIXEL_UM,
    SHOTS,
)

EMPTY_MODEL = (
    b"\x08\x0a"  # an ONNX file with a version and nothing else: the fake backend reads none
)


def write_toy_bundle(folder: Path) -> None:
    """Write it into an empty folder."""
    shapes = {"images": (4, 28, 28), "background": (4,), **OUTPUT_SHAPES}
    columns: dict[str, Any] = {k: np.full((2, *s), 0.5, np.float32) for k, s in shapes.items()}
    golden = io.BytesIO()
    np.savez(golden, **columns)
    files = {"model.onnx": EMPTY_MODEL, "golden.npz": golden.getvalue()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "format_version": 1,
        "name": "toy",
        "version": "1",
        "created": "2026-01-01",
        "licence": "Apache-2.0",
        "synthetic": True,
        "classes": CLASSES,
        "markers": MARKERS,
        "marker_unit": "a.u.",
        "marker_transform": {"scale": "log10", "mean": [0] * 4, "sd": [1] * 4},
        "shots": SHOTS,
        "orientation": "left-bright-right",
        "pixel_size_um": REDUCED_PIXEL_UM,
        "crop_px": 28,
        "reduction_kernel": "area",
        "preprocess": "ratio",
        "calibration": {
            "status": "uncalibrated",
            "interval_half_width_z": [1] * 4,
            "ood_threshold": 9,
            "reject_threshold": 0.5,
        },
        "golden": {"fp32": {"tolerance": {"class_logits": 1e-4}}},
        "data_sha256": "0" * 64,
        "parameters": 1,
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in files.items()
        },
    }
    (folder / "manifest.json").write_text(json.dumps(sealed(manifest)))
