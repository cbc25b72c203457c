"""Fit a bundle's normalisation to a site's own unlabelled cells, and write it as a new bundle that says so.

From a recording of the site (`phenostream record`), of 200 white cells or more. Every batch normalisation is compared
with what it saw of the training's cells in the site's estimated mix of classes, so that the mix is not taken for a
shift, and is moved by the rest. No weight is trained and no label is used. Where it is refused, one line says why:
too few cells, too many rejected or unlike the training's, a class missing, a layer moved too far.

Whether it helps is only known where labels are: --truth takes what `simulate --truth` wrote, of the same recording or,
better, of another one of the same site (--test); --labelled compares on other cells, such as simulated:hard, to see
what is lost at home. Temperature, intervals, sets of classes and thresholds stay as they were fitted before, and the
figures measured before are left out of the new bundle. This is adaptation to unlabelled cells, not zero-shot.

Examples:
  phenostream adapt --bundle demo --from site.phenorec work/site
  phenostream adapt --bundle demo --from a.phenorec --test b.phenorec --truth b.json work/site
  phenostream adapt --bundle demo --from site.phenorec --priors estimate work/site
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenostream.deploy.bundles import bundle_path, load_site_config
from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from tqdm import tqdm

    from phenostream.deploy.adaptation import AdaptationRequest, AdaptationResult
    from phenostream.engine.adaptation_facts import Adapted
    from phenostream.trainer.adaptation.before_after import BeforeAfter
    from phenostream.trainer.adaptation.settings import AdaptationSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the new bundle")
    parser.add_argument(
        "--bundle", required=True, metavar="DIR", help="folder of the bundle to fit, or demo"
    )
    parser.add_argument(
        "--from", dest="recording", type=Path, required=True, metavar="RECORDING",
        help="recording of the site's cells",
    )  # fmt: skip
    parser.add_argument(
        "--priors", choices=("keep", "estimate"), default="keep",
        help="class shares that the probabilities hold for: the bundle's (default), or estimated from these cells",
    )  # fmt: skip
    parser.add_argument(
        "--prior-cells", type=float, metavar="N",
        help="the training's statistics count as so many cells (default 100)",
    )  # fmt: skip
    parser.add_argument(
        "--most-cells", type=int, metavar="N", help="fit to so many at most, taken evenly (default 600)"
    )  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="FILE", help="its channel maps are applied")
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="true cells of the recording, or of --test"
    )
    parser.add_argument(
        "--test", type=Path, metavar="RECORDING", help="another recording of the site"
    )
    parser.add_argument(
        "--labelled", action="append", default=[], metavar="CELLS",
        help="compare on these too: simulated:hard, simulated:easy or a file of cells",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Fit with a progress bar; then what was moved, and what it changed."""
    from phenostream.deploy.extras import need

    for package in ("torch", "scipy"):
        need(package, "trainer")
    from phenostream.deploy.adaptation import adapt

    request = _request(args)
    size = args.recording.stat().st_size if args.recording.is_file() else None
    with progress(size, f"reading {args.recording.name}", "B") as bar:

        def reached(position: int, bar: "tqdm[Any]" = bar) -> None:
            bar.update(position - bar.n)

        done = adapt(request, reached)
    if args.json:
        say_json(_as_json(args.out, done))
    else:
        _say(args.out, done)
    return 0


def _request(args: argparse.Namespace) -> "AdaptationRequest":
    from phenostream.daemon.channel_map import NO_MAPS
    from phenostream.deploy.adaptation import AdaptationRequest
    from phenostream.deploy.microscope import cache_folder

    if args.test is not None and args.truth is None:
        raise BadConfig("--test: allowed only with --truth, which knows its cells")
    return AdaptationRequest(
        bundle=bundle_path(args.bundle),
        recording=args.recording,
        out=args.out,
        cache=cache_folder(),
        settings=_settings(args),
        maps=load_site_config(args.config).ingest.channel_map if args.config else NO_MAPS,
        truth=args.truth,
        test=args.test,
        labelled=tuple(args.labelled),
    )


def _settings(args: argparse.Namespace) -> "AdaptationSettings":
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe
    from phenostream.trainer.adaptation.settings import AdaptationSettings

    given = {
        name: getattr(args, name)
        for name in ("priors", "prior_cells", "most_cells")
        if getattr(args, name) is not None
    }
    try:
        return AdaptationSettings.model_validate(given)
    except ValidationError as err:
        raise BadConfig(f"--{describe(err, AdaptationSettings).replace('_', '-', 1)}") from err


def _say(out: Path, done: "AdaptationResult") -> None:
    told = done.bundle.manifest.adapted
    if told is None:
        return
    kind = "simulated cells (synthetic)" if told.synthetic else "cells"
    say(
        printable(
            f"{done.bundle.identity} in {out}: fitted to {told.cells} unlabelled {kind} of {told.source}"
        )
    )
    for line in _facts(told):
        say(line)
    for name, count in done.found.flags.items():
        note(f"{count} of {told.frames} frames are flagged: {name}")
    say_table(
        ["layer", "means moved by, sd", "log sd moved by"],
        [(layer.layer.removeprefix("network."), layer.mean, layer.log_sd) for layer in told.layers],
    )
    for one in done.comparisons:
        say()
        _say_comparison(one)
    if not done.comparisons:
        say("whether this helps was not measured: no labelled cells were given (--truth)")


def _facts(told: "Adapted") -> list[str]:
    from phenostream.engine.types import CLASSES

    shares = ", ".join(
        f"{name} {share:.1%}" for name, share in zip(CLASSES, told.shares, strict=True)
    )
    holds = "these shares" if told.priors == "estimated" else "the shares that they held for before"
    return [
        f"white cells, as the model counts them: {told.white_cells:.0f}; of these, as estimated: {shares}",
        f"class probabilities hold for {holds}",
        f"of all cells {told.rejected:.1%} are rejected; of those kept {told.flagged:.1%} are unlike the training's",
    ]


def _say_comparison(one: "BeforeAfter") -> None:
    from phenostream.trainer.evaluation.report.wording import interval, signed, with_interval

    kind = ", SYNTHETIC" if one.synthetic else ""
    say(printable(f"{one.data}{kind}: {one.white} white cells with a class, {one.others} others"))
    if one.fitted_on:
        say("the fit saw these very cells, without their labels; other cells of the site: --test")
    say_table(
        ["figure", "before", "after", "after - before", ""],
        [
            (
                change.name,
                with_interval(change.before),
                with_interval(change.after),
                signed(change.difference.value if change.difference else None),
                interval(change.difference),
            )
            for change in one.changes
        ],
    )


def _as_json(out: Path, done: "AdaptationResult") -> dict[str, object]:
    manifest = done.bundle.manifest
    return {
        "bundle": str(out),
        "name": manifest.name,
        "version": manifest.version,
        "sha256": done.bundle.sha256,
        "adapted": manifest.adapted and manifest.adapted.model_dump(mode="json"),
        "found": {
            "cells": len(done.found),
            "frames": len(done.found.frames),
            "flags": done.found.flags,
            "broken_messages": done.found.broken,
        },
        "comparisons": [one.model_dump(mode="json") for one in done.comparisons],
    }
