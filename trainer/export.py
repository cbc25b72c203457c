"""From a checkpoint to a bundle: one graph in two precisions, golden outputs, and the manifest.

The fp32 graph is canonical: golden outputs are what torch says in float32, and each exported file is checked against
them with ONNX Runtime before the bundle is written.
"""

import copy
import hashlib
import io
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from phenostream.engine.adaptation_facts import NORMALISATION_FILE
from phenostream.engine.backends.golden_difference import golden_difference
from phenostream.engine.backends.onnxruntime import import_onnxruntime
from phenostream.engine.bundle import MANIFEST
from phenostream.engine.errors import BadInput, EngineFault
from phenostream.engine.manifest import (
    COVERAGE_METRIC,
    POPULATION_FILE,
    FileEntry,
    GoldenTolerance,
    Manifest,
    sealed,
)
from phenostream.engine.types import (
    CLASSES,
    F32,
    MARKERS,
    OUTPUT_SHAPES,
    REDUCED_PIXEL_UM,
    SHOTS,
    Crops,
)
from phenostream.trainer.adaptation.normalisation_file import normalisation_bytes, told_of
from phenostream.trainer.calibration.population import Shares, for_population
from phenostream.trainer.checkpoint import Card, Checkpoint, load_checkpoint
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.onnx_graph import fold_batchnorm, to_onnx
from phenostream.trainer.tolerances import tolerances

logger = logging.getLogger(__name__)


def export_model(checkpoint: Path, out_dir: Path, prior: Shares | None = None) -> Path:
    """Export a trained checkpoint directory as a bundle.

    Args:
        checkpoint: Directory written by `train`.
        out_dir: Bundle directory; replaced if it is there and holds a bundle or nothing.
        prior: Class shares of the population to calibrate for; None: as the checkpoint is.

    Returns:
        `out_dir`.

    Raises:
        BadInput: The checkpoint is not one, or keeps nothing that a prior could be stated with.
        EngineFault: An exported file does not give the golden outputs.
    """
    trained = load_checkpoint(checkpoint)
    return write_bundle(trained if prior is None else for_population(trained, prior), out_dir)


def write_bundle(
    checkpoint: Checkpoint, out_dir: Path, *, narrow: Literal["always", "if it fits"] = "always"
) -> Path:
    """Export, verify and write; the directory appears complete or not at all.

    Args:
        checkpoint: What to export.
        out_dir: As in `export_model`.
        narrow: What to do with float16 that is outside its tolerance: a fault, or a bundle without it, with a warning.

    Raises:
        BadInput: `out_dir` holds something else than a bundle.
        EngineFault: An exported file does not give the golden outputs.
    """
    refuse_foreign_folder(out_dir)
    graph = fold_batchnorm(checkpoint.graph)
    golden = run_graph(graph, checkpoint.golden)
    transform = checkpoint.card.marker_transform
    allowed = tolerances(
        golden,
        max(transform.sd) if transform.scale == "linear" else None,
        own_widths=checkpoint.card.calibration.interval_scale is not None,
    )
    contents = {
        "golden.npz": _npz(checkpoint.golden, golden),
        "model.onnx": to_onnx(graph),
        "model.fp16.onnx": to_onnx(copy.deepcopy(graph).narrow_body()),
    }
    _verify(contents["model.onnx"], checkpoint, golden, allowed["fp32"])
    try:
        _verify(contents["model.fp16.onnx"], checkpoint, golden, allowed["fp16"])
    except EngineFault as err:
        if narrow == "always":
            raise
        logger.warning("float16 is left out: %s", err)
        del contents["model.fp16.onnx"]
    if checkpoint.population is not None:
        contents[POPULATION_FILE] = checkpoint.population
    if checkpoint.reference is not None:
        contents[NORMALISATION_FILE] = normalisation_bytes(
            checkpoint.graph, checkpoint.reference, contents["model.onnx"]
        )
    manifest = _manifest(checkpoint, contents, allowed)
    write_folder(contents, manifest, out_dir)
    logger.info("bundle %s: %d KiB", out_dir, sum(map(len, contents.values())) >> 10)
    return out_dir


def write_folder(contents: Mapping[str, bytes], manifest: Manifest, out_dir: Path) -> None:
    """Write a bundle's files and its manifest; the folder appears complete or not at all.

    Args:
        contents: Of every file but the manifest, by name.
        manifest: Of just these files.
        out_dir: Nothing, an empty folder, or an earlier bundle, which it replaces.
    """
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent) as scratch:
        fresh = Path(scratch) / "bundle"
        fresh.mkdir()
        for name, content in contents.items():
            (fresh / name).write_bytes(content)
        text = json.dumps(sealed(manifest.model_dump(mode="json")), indent=1)
        (fresh / MANIFEST).write_text(text + "\n")
        replace_bundle(fresh, out_dir)


def file_entries(contents: Mapping[str, bytes]) -> dict[str, FileEntry]:
    """What a manifest says of these files."""
    return {
        name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        for name, content in sorted(contents.items())
    }


def replace_bundle(fresh: Path, out_dir: Path) -> None:
    """Put a finished bundle where an earlier one, an empty folder or nothing is; both on one file system."""
    if out_dir.exists():
        shutil.rmtree(out_dir)
    fresh.rename(out_dir)


def refuse_foreign_folder(out_dir: Path) -> None:
    """Only an empty folder or an earlier bundle may be replaced.

    Raises:
        BadInput: It is anything else.
    """
    if out_dir.exists() and not out_dir.is_dir():
        raise BadInput(f"{out_dir}: is a file, expected a folder to write")
    if out_dir.is_dir() and any(out_dir.iterdir()) and not (out_dir / MANIFEST).is_file():
        raise BadInput(f"{out_dir}: is not empty and not a bundle; choose another folder")


def run_graph(graph: BundleGraph, crops: Crops) -> dict[str, F32]:
    """The eight outputs as arrays, by name."""
    with torch.inference_mode():
        images, background = torch.from_numpy(crops.images), torch.from_numpy(crops.background)
        outputs: tuple[Tensor, ...] = graph.eval()(images, background)
    return {name: out.numpy() for name, out in zip(OUTPUT_SHAPES, outputs, strict=True)}


def _npz(crops: Crops, outputs: Mapping[str, F32]) -> bytes:
    buffer = io.BytesIO()
    columns: dict[str, Any] = dict(outputs)
    np.savez_compressed(buffer, images=crops.images, background=crops.background, **columns)
    return buffer.getvalue()


def _verify(
    model: bytes, checkpoint: Checkpoint, golden: Mapping[str, F32], tolerance: Mapping[str, float]
) -> None:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = {"images": checkpoint.golden.images, "background": checkpoint.golden.background}
    said = session.run(list(OUTPUT_SHAPES), feeds)
    found: dict[str, F32] = dict(zip(OUTPUT_SHAPES, said, strict=True))
    for name, allowed in tolerance.items():
        worst = golden_difference(
            name,
            found,
            golden,
            checkpoint.card.marker_transform,
            checkpoint.card.calibration.reject_threshold,
        )
        logger.info("exported %s: largest difference %.2e", name, worst)
        if not worst <= allowed:
            raise EngineFault(
                f"exported graph: {name} differs by {worst:.2e}, allowed {allowed:.2e}"
            )


def _description(card: Card) -> str:
    """What the card says, and how far its intervals were measured to fall short of what they promise."""
    nominal = card.calibration.interval_coverage
    covered = [metric for metric in card.metrics if metric.name.startswith(COVERAGE_METRIC)]
    if not covered:
        return card.description
    values = [metric.value for metric in covered]
    short = [
        f"{metric.name.removeprefix(COVERAGE_METRIC).strip()} {metric.value:.3f} "
        f"[{metric.low:.3f}, {metric.high:.3f}] ({metric.data})"
        for metric in covered
        if metric.high < nominal
    ]
    return (
        f"{card.description} Marker intervals are nominally {nominal:.0%} and were measured to cover "
        f"{min(values):.3f} to {max(values):.3f}"
        + (f"; less than they promise: {'; '.join(short)}." if short else ".")
    )


def _manifest(
    checkpoint: Checkpoint, contents: Mapping[str, bytes], allowed: Mapping[str, dict[str, float]]
) -> Manifest:
    card = checkpoint.card
    return Manifest(
        format_version=1,
        name=card.name,
        version=card.version,
        created=datetime.now(UTC).strftime("%Y-%m-%d"),
        licence=card.licence,
        synthetic=card.synthetic,
        description=_description(card),
        classes=CLASSES,
        markers=MARKERS,
        marker_unit=card.marker_unit,
        marker_transform=card.marker_transform,
        shots=SHOTS,
        orientation="left-bright-right",
        pixel_size_um=REDUCED_PIXEL_UM,
        crop_px=28,
        reduction_kernel=card.reduction_kernel,
        preprocess=checkpoint.graph.preprocess.kind,
        calibration=card.calibration,
        golden={key: GoldenTolerance(tolerance=value) for key, value in allowed.items()},  # type: ignore[misc]
        metrics=card.metrics,
        training=card.settings,
        training_population=card.training_population,
        normalisation=None
        if checkpoint.reference is None
        else told_of(checkpoint.graph, checkpoint.reference, synthetic=card.synthetic),
        adapted=card.adapted,
        data_sha256=card.data_sha256,
        parameters=sum(p.numel() for p in checkpoint.graph.phenotyper.network.parameters()),
        files=file_entries(contents),
    )
