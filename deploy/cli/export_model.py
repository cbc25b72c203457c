"""Write a trained model as a bundle: manifest, fp32 and fp16 ONNX, golden inputs and outputs, hashes; and int8.

SOURCE is the folder of a checkpoint, or of a bundle, which keeps its files and gains int8 or a population. Needs the
extra: pip install 'phenostream[trainer]'. The bundle itself needs nothing but the base install.

With --int8 DATA the graph is also quantised after training: scales are fitted to some cells of DATA and the graph
judged on others, in ONNX Runtime and in OpenVINO. It must keep the class, rejection and flag of 99.5 % of them and lose
at most 0.005 of any marker's r; else nothing is written and exit code 1 says by how much. DATA is `simulated`, a file
of cells, or one of `phenostream bsccm pack`. A signature of SOURCE is dropped: sign again with `phenostream keys`.

With --prior its probabilities, intervals and sets of classes are calibrated again, for cells of other class shares than
the calibration cells had; manifest and description say so, and the figures measured for those are left out.

With --population PRESET a bundle gains what its model says of simulated cells, so that the daemon can watch a stream
for drift; `train` does that for new models, of the cells they were calibrated on.

Examples:
  phenostream export-model demo work/watched --population hard
  phenostream export-model work/train work/bundle --int8 simulated
  phenostream export-model work/bundle work/bundle_int8 --int8 cells.npz
  phenostream export-model work/train work/ward_bundle --prior 0.15,0.8,0.05
"""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.bundles import bundle_path
from phenostream.deploy.cli.terminal import note, progress, say, say_json
from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.presets import PRESETS

if TYPE_CHECKING:
    from phenostream.engine.bundle import Bundle

_LEAST_CROPS, _MOST_CROPS = 600, 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "source", metavar="SOURCE", help="folder of `train` or of a bundle, or demo"
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder to write")
    parser.add_argument(
        "--prior",
        metavar="L,G,M",
        help="shares of lymphocytes, granulocytes and monocytes where the model will be used, 1 in all",
    )
    parser.add_argument(
        "--int8", metavar="DATA", help="quantise too: simulated, or a file of cells"
    )
    parser.add_argument(
        "--crops",
        type=int,
        default=6_000,
        metavar="N",
        help="simulated crops to judge int8 on (default 6000)",
    )
    parser.add_argument(
        "--population",
        choices=PRESETS,
        help="of a bundle: tell what the model says of simulated cells of this preset",
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(args: argparse.Namespace) -> int:
    """Export, then load the result as the daemon will."""
    from phenostream.deploy.extras import need

    need("torch", "trainer")
    prior = _shares(args.prior)
    _write(args, prior)
    from phenostream.engine.backends.registry import open_backend
    from phenostream.engine.bundle import load_bundle

    bundle = load_bundle(args.bundle)
    backend = open_backend(bundle)
    backend.close()
    if args.json:
        say_json(_as_json(args.bundle, bundle))
        return 0
    sizes = sum(entry.size for entry in bundle.manifest.files.values())
    say(
        f"{bundle.identity} in {args.bundle}: {sizes / 1e6:.1f} MB"
        f"{', SYNTHETIC weights' if bundle.manifest.synthetic else ''}; "
        f"golden self-test passed on {backend.name} {backend.precision}"
    )
    if args.int8 is not None:
        _say_int8(bundle)
    return 0


def _write(args: argparse.Namespace, prior: tuple[float, float, float] | None) -> None:
    """The bundle, by way of a temporary one where a checkpoint is also quantised."""
    from phenostream.engine.bundle import MANIFEST, load_bundle
    from phenostream.trainer.export import export_model, refuse_foreign_folder

    source = bundle_path(args.source)
    extends = (source / MANIFEST).is_file()
    if args.population is not None:
        _tell_population(source, args, extends=extends, alone=args.int8 is None and prior is None)
        return
    if extends and (args.int8 is None or prior is not None):
        wrong = "--int8: needed" if args.int8 is None else "--prior: not allowed"
        raise BadConfig(f"{wrong} where SOURCE is a bundle, as {source} is")
    if not _LEAST_CROPS <= args.crops <= _MOST_CROPS:
        raise BadConfig(
            f"--crops {args.crops}: out of range, allowed {_LEAST_CROPS} to {_MOST_CROPS}"
        )
    refuse_foreign_folder(args.bundle)
    if args.int8 is None:
        export_model(source, args.bundle, prior)
    elif extends:
        _extend(load_bundle(source), args)
    else:
        with tempfile.TemporaryDirectory(prefix="phenostream-export-") as scratch:
            _extend(load_bundle(export_model(source, Path(scratch) / "bundle", prior)), args)


def _tell_population(source: Path, args: argparse.Namespace, *, extends: bool, alone: bool) -> None:
    """Ask the model about simulated frames, with a progress bar."""
    from phenostream.deploy.microscope import cache_folder
    from phenostream.deploy.population import FRAMES, add_population
    from phenostream.engine.bundle import load_bundle

    if not extends or not alone:
        raise BadConfig("--population: allowed by itself, where SOURCE is a bundle")
    with progress(FRAMES, "population", "frame") as bar:
        add_population(
            load_bundle(source), args.population, args.bundle, cache_folder(), on_frame=bar.update
        )


def _extend(source: "Bundle", args: argparse.Namespace) -> None:
    """Quantise, with a progress bar, and say what is lost."""
    from phenostream.deploy.microscope import cache_folder
    from phenostream.trainer.quantisation.cells import quantisation_cells
    from phenostream.trainer.quantisation.extend import STEPS, add_int8

    cells = quantisation_cells(args.int8, args.crops, cache_folder())
    with progress(STEPS, "int8", "step") as bar:

        def on_step(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        add_int8(source, cells, args.bundle, on_step)
    if source.signed_by is not None:
        note(
            f"the signature of {source.signed_by} is dropped: it is of a bundle without this graph"
        )


def _say_int8(bundle: "Bundle") -> None:
    facts = bundle.manifest.int8
    if facts is None:
        return
    for one in facts.judged:
        losses = ", ".join("-" if loss is None else f"{loss:+.4f}" for loss in one.marker_r_loss)
        say(
            f"int8 on {one.runtime}: class kept {one.class_agreement:.2%} of {facts.judged_white} white cells, "
            f"rejection {one.rejection_agreement:.2%} and flag {one.flag_agreement:.2%} of {facts.judged_cells}; "
            f"r lost by marker {losses} ({facts.judged_on})"
        )


def _as_json(path: Path, bundle: "Bundle") -> dict[str, object]:
    manifest = bundle.manifest
    return {
        "bundle": str(path),
        "sha256": bundle.sha256,
        "bytes": {name: entry.size for name, entry in manifest.files.items()},
        "synthetic": manifest.synthetic,
        "int8": None if manifest.int8 is None else manifest.int8.model_dump(mode="json"),
    }


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
