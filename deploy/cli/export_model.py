"""Write a trained model as a bundle: manifest, fp32 and fp16 ONNX, golden inputs and outputs, hashes.

Needs the extra: pip install 'phenostream[trainer]'. The bundle itself needs nothing but the base install.

Example:
  phenostream export-model work/train deploy/demo_bundle
"""

import argparse
from pathlib import Path

from phenostream.deploy.cli.terminal import say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of `train`")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder to write")
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(args: argparse.Namespace) -> int:
    """Export, then load the result as the daemon will."""
    from phenostream.deploy.extras import need

    need("torch", "trainer")
    from phenostream.engine.backends.registry import open_backend
    from phenostream.engine.bundle import load_bundle
    from phenostream.trainer.export import export_model

    export_model(args.checkpoint, args.bundle)
    bundle = load_bundle(args.bundle)
    backend = open_backend(bundle)
    backend.close()
    sizes = {name: entry.size for name, entry in bundle.manifest.files.items()}
    if args.json:
        say_json({"bundle": str(args.bundle), "sha256": bundle.sha256, "bytes": sizes,
                  "synthetic": bundle.manifest.synthetic})  # fmt: skip
        return 0
    say(
        f"{bundle.identity} in {args.bundle}: {sum(sizes.values()) / 1e6:.1f} MB"
        f"{', SYNTHETIC weights' if bundle.manifest.synthetic else ''}; "
        f"golden self-test passed on {backend.name} {backend.precision}"
    )
    return 0
