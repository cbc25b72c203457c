"""What a recording holds (runs, frames, camera, duration, and whether it is complete) or what a bundle is.

Of a bundle: which model, its files, whether it is synthetic and calibrated, and whose signature it bears. Nothing is
run; whether it gives its golden outputs here, `phenostream check` tells.

Examples:
  phenostream info tests/data/real_quads.phenorec
  phenostream info demo
"""

import argparse
from pathlib import Path

from phenostream.deploy.bundles import DEMO, bundle_path
from phenostream.deploy.cli.terminal import say, say_json


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
    calibration = manifest.calibration.status
    if as_json:
        say_json(
            {"path": str(path), "name": manifest.name, "version": manifest.version,
             "sha256": bundle.sha256, "signed_by": key.fingerprint if key else None,
             "synthetic": manifest.synthetic, "calibration": calibration,
             "licence": manifest.licence, "bytes": sizes}
        )  # fmt: skip
        return 0
    say(
        f"{path}: {bundle.identity}, {'SYNTHETIC weights, ' if manifest.synthetic else ''}"
        f"{calibration}, licence {manifest.licence}"
    )
    say(f"signed by key {key}" if key else "unsigned")
    for name, size in sizes.items():
        say(f"{name}: {size} bytes, as its hash says")
    return 0
