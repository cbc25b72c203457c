"""Print what was measured when a model was trained: held-out simulated cells, with 95 % intervals.

Takes a folder of `phenostream train` or a bundle. Beside each marker's r stands the r of a model that knows only the class.

Example:
  phenostream evaluate deploy/demo_bundle
"""

import argparse
from pathlib import Path

from phenostream.deploy.cli.terminal import say, say_json, say_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", type=Path, metavar="DIR", help="checkpoint folder or bundle")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the stored figures."""
    if not (args.model / "manifest.json").is_file():
        from phenostream.deploy.cli.train import say_figures
        from phenostream.deploy.extras import need

        need("torch", "trainer")
        say_figures(args.model, args.json)
        return 0
    from phenostream.engine.bundle import load_bundle

    manifest = load_bundle(args.model).manifest
    if args.json:
        say_json({"name": manifest.name, "synthetic": manifest.synthetic,
                  "metrics": [m.model_dump() for m in manifest.metrics]})  # fmt: skip
        return 0
    say(
        f"{manifest.name} {manifest.version}: {'SYNTHETIC' if manifest.synthetic else 'real'} cells"
    )
    say_table(
        ["figure", "value", "low", "high", "cells", "measured on"],
        [(m.name, m.value, m.low, m.high, m.n, m.data) for m in manifest.metrics],
    )
    return 0
