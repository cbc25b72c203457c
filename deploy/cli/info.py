"""What a recording holds (runs, frames, camera, duration, and whether it is complete) or what a bundle is.

Of a bundle: which model, its files, whether it is synthetic and calibrated, for which population, what its intervals
and sets of classes promise, and whose signature it bears. Nothing is run; whether it gives its golden outputs here,
`phenostream check` tells.

Examples:
  phenostream info tests/data/real_quads.phenorec
  phenostream info demo
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phenostream.deploy.bundles import DEMO, bundle_path
from phenostream.deploy.cli.terminal import printable, say, say_json
from phenostream.engine.manifest import Calibration, Manifest, TrainingPopulation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="a recording, the folder of a bundle, or demo"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Read it all and print; exit code 3 when a recording is incomplete."""
    if args.path.is_dir() or str(args.path) == DEMO:
        return _bundle(bundle_path(str(args.path)), args.json)
    from phenostream.daemon.recordings.facts import facts

    found = facts(args.path)
    if args.json:
        say_json(found.as_dict())
    else:
        for line in found.lines():
            say(line)
    return 0 if found.complete else 3


def _bundle(path: Path, as_json: bool) -> int:
    from phenostream.engine.bundle import load_bundle

    bundle = load_bundle(path)
    manifest, key = bundle.manifest, bundle.signed_by
    sizes = {name: entry.size for name, entry in manifest.files.items()}
    calibration, told = manifest.calibration, manifest.training_population
    if as_json:
        say_json(
            {"path": str(path), "name": manifest.name, "version": manifest.version,
             "sha256": bundle.sha256, "signed_by": key.fingerprint if key else None,
             "synthetic": manifest.synthetic, "calibration": calibration.status,
             "promises": _promised(calibration),
             "training_population": told and told.model_dump(mode="json"),
             "adaptable": manifest.normalisation is not None,
             "adapted": manifest.adapted and manifest.adapted.model_dump(mode="json"),
             "licence": manifest.licence, "bytes": sizes}
        )  # fmt: skip
        return 0
    say(
        f"{path}: {bundle.identity}, {'SYNTHETIC weights, ' if manifest.synthetic else ''}"
        f"{calibration.status}, licence {manifest.licence}"
    )
    for line in _promises(manifest):
        say(line)
    say(_population(told))
    say(_adaptation(manifest))
    say(f"signed by key {key}" if key else "unsigned")
    for name, size in sizes.items():
        say(f"{name}: {size} bytes, as its hash says")
    return 0


def _population(told: TrainingPopulation | None) -> str:
    """What a stream can be compared with for drift."""
    if told is None:
        return "no training statistics: a stream is not watched for drift against the training"
    return (
        f"training population: {told.classified:,} classified cells in {told.frames:,} frames ({told.precision}), "
        f"{told.cells}"
    )


def _adaptation(manifest: Manifest) -> str:
    """Whether the model is fitted to a site, or can be."""
    told = manifest.adapted
    if told is None:
        can = "can" if manifest.normalisation is not None else "cannot"
        return f"fitted to no site; {can} be (`phenostream adapt`)"
    kind = "simulated cells (synthetic)" if told.synthetic else "cells"
    return printable(
        f"fitted to {told.cells:,} unlabelled {kind} in {told.frames:,} frames of {told.source}, from "
        f"{told.from_name} ({told.from_sha256[:12]})"
    )


def _promised(calibration: Calibration) -> dict[str, Any]:
    """What the numbers promise, None where they promise nothing."""
    sets, prior = calibration.class_sets, calibration.prior
    return {
        "prior": None if prior is None else prior.model_dump(mode="json"),
        "class_coverage": None if sets is None else sets.coverage,
        "interval_coverage": calibration.known_coverage,
        "interval_half_width_z": calibration.interval_half_width_z,
    }


def _promises(manifest: Manifest) -> Iterator[str]:
    """The same in words, a line for each promise."""
    calibration = manifest.calibration
    prior, sets = calibration.prior, calibration.class_sets
    if prior is not None:
        named = zip(manifest.classes, prior.shares, strict=True)
        shares = ", ".join(f"{name} {share:.1%}" for name, share in named)
        whose = "as stated for its use" if prior.stated else "as among its calibration cells"
        if manifest.adapted is not None and manifest.adapted.priors == "estimated":
            whose = "as estimated from a site's unlabelled cells"
        yield f"class probabilities hold where cells are {shares}: {whose}"
    if sets is not None:
        yield f"sets of classes hold at least {sets.coverage:.0%} of the cells of each class, nominally"
    if calibration.interval_half_width_z is not None:
        each = "half" if calibration.interval_scale is None else "median half"
        widths = zip(manifest.markers, calibration.interval_half_width_z, strict=True)
        told = ", ".join(f"{name} {width:.2f}" for name, width in widths)
        yield f"marker intervals hold {calibration.interval_coverage:.0%}, nominally; {each} width in z: {told}"
