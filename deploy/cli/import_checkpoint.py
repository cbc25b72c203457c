"""Write a bundle from a checkpoint in the layout that the paper's authors published.

The checkpoint is read as data: nothing in it is run, and whatever is neither a tensor nor a plain number refuses it.
With --check the weights must reproduce reference outputs to 1e-4 in torch, ONNX Runtime and OpenVINO (float32), or no
bundle is written and the exit code is 1. Needs the extra: pip install 'phenostream[trainer]'; the bundle does not.

A checkpoint does not say what its marker values mean: they are "z, reference unknown" unless --statistics names the
training set's means and standard deviations. Nor is it calibrated. docs/import-checkpoint.md tells more.

Example:
  phenostream import-checkpoint model.pth bundle --check reference.npz
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.terminal import note, say, say_json, say_table

if TYPE_CHECKING:
    from phenostream.trainer.published.imported import Imported

_NEEDED = ("torch", "onnx", "onnxscript", "safetensors")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="file of torch.save")
    parser.add_argument("bundle", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument(
        "--check",
        type=Path,
        metavar="NPZ",
        help="x (normalised), class_logits and marker_z that must be reproduced to 1e-4",
    )
    parser.add_argument(
        "--statistics", type=Path, metavar="JSON", help="unit, scale, mean and sd of each marker"
    )
    parser.add_argument("--name", help="of the model (default: the file's name)")
    parser.add_argument("--version", help="of the model (default: from the file's SHA-256)")
    parser.add_argument("--licence", default="unknown", help="of the weights (default: unknown)")
    parser.add_argument(
        "--synthetic",
        action="store_true",
        help="the weights were trained on simulated cells, or are random: every result will say so",
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Import, then say what was written or why not."""
    from phenostream.deploy.extras import need

    for package in _NEEDED:
        need(package, "trainer")
    from phenostream.trainer.published.imported import ImportSettings, import_checkpoint

    done = import_checkpoint(
        ImportSettings(
            checkpoint=args.checkpoint,
            out=args.bundle,
            reference=args.check,
            statistics=args.statistics,
            name=args.name,
            version=args.version,
            licence=args.licence,
            synthetic=args.synthetic,
        )
    )
    if args.json:
        say_json(_as_dict(done, args.bundle))
    else:
        _say(done, args.bundle)
    if not done.written:
        note(
            "phenostream import-checkpoint: the reference is not reproduced; no bundle was written"
        )
    return 0 if done.written else 1


def _as_dict(done: "Imported", folder: Path) -> dict[str, object]:
    checks = [asdict(one) | {"allowed": one.allowed, "good": one.good} for one in done.agreements]
    manifest = done.manifest
    return {
        "good": done.written,
        "bundle": str(folder) if done.written else None,
        "sha256": done.sha256,
        "name": manifest.name,
        "version": manifest.version,
        "synthetic": manifest.synthetic,
        "parameters": manifest.parameters,
        "marker_unit": manifest.marker_unit,
        "calibration": manifest.calibration.status,
        "precisions": list(done.precisions),
        "served_by": done.served_by,
        "checks": checks,
    }


def _say(done: "Imported", folder: Path) -> None:
    manifest = done.manifest
    say(f"{manifest.parameters:,} parameters, each where the published network has it")
    if done.agreements:
        say_table(
            ["runtime, float32", "class_logits", "marker_z", "allowed", "verdict"],
            [
                (
                    one.runtime,
                    f"{one.class_logits:.1e}",
                    f"{one.marker_z:.1e}",
                    f"{one.allowed:.0e}",
                    "good" if one.good else "DIFFERS",
                )
                for one in done.agreements
            ],
        )
    if not done.written:
        return
    say(
        f"{manifest.name} {manifest.version} ({done.sha256[:12]}) in {folder}"
        f"{', SYNTHETIC weights' if manifest.synthetic else ''}: uncalibrated, markers in "
        f'"{manifest.marker_unit}"; graphs in {" and ".join(done.precisions)}; '
        f"golden self-test passed on {done.served_by}"
    )
    say("no background division: light the field as the training images were lit")
