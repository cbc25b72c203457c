"""Write a trained model as a bundle: manifest, fp32 and fp16 ONNX, golden inputs and outputs, hashes.

Needs the extra: pip install 'phenostream[trainer]'. The bundle itself needs nothing but the base install.

With --prior its probabilities, intervals and sets of classes are calibrated again, for cells of other class shares than
the calibration cells had; manifest and description say so, and the figures measured for those are left out.

Examples:
  phenostream export-model work/train deploy/demo_bundle
  phenostream export-model work/train work/ward_bundle --prior 0.15,0.8,0.05
"""

import argparse
from pathlib import Path

from phenostream.deploy.cli.terminal import say, say_json
from phenostream.engine.errors import BadConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of `train`")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder to write")
    parser.add_argument(
        "--prior",
        metavar="L,G,M",
        help="shares of lymphocytes, granulocytes and monocytes where the model will be used, 1 in all",
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(args: argparse.Namespace) -> int:
    """Export, then load the result as the daemon will."""
    from phenostream.deploy.extras import need

    need("torch", "trainer")
    prior = _shares(args.prior)
    from phenostream.engine.backends.registry import open_backend
    from phenostream.engine.bundle import load_bundle
    from phenostream.trainer.export import export_model

    export_model(args.checkpoint, args.bundle, prior)
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


def _shares(text: str | None) -> tuple[float, float, float] | None:
    """The three shares of ``0.3,0.6,0.1``.

    Raises:
        BadConfig: They are not three shares, of which none is 0 and that are 1 in all.
    """
    from pydantic import ValidationError

    from phenostream.trainer.calibration.settings import CalibrationSettings  # light: without torch

    if text is None:
        return None
    try:
        return CalibrationSettings.model_validate({"prior": text.split(",")}).prior
    except ValidationError as err:
        raise BadConfig(
            f"--prior {text}: allowed three shares from 0.001 to 0.998 that are 1 in all, as in 0.3,0.6,0.1"
        ) from err
