"""What this box can and cannot do: CPU, GPU, runtimes, language models; --engines: how right and fast each engine is.

The engines are measured in a process of their own, for about half a minute, unless a record of this box, bundle and
configuration is kept in the engine cache. A daemon with `model.engine_cache` does the same once, at its first start,
and takes what was fastest; this shows what it took, and why. Exit code 0: some backend can serve. 1: none can.

Examples:
  phenostream doctor
  phenostream doctor --engines
  phenostream doctor --engines --config deploy/config.example.toml --measure
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.model_config import ModelConfig
    from phenostream.deploy.doctor.engines import EngineRow, Examination


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--engines", action="store_true", help="load, check and time every backend with a bundle"
    )
    of = parser.add_mutually_exclusive_group()
    of.add_argument(
        "--bundle", default="demo", metavar="DIR", help="with --engines: which (default: demo)"
    )
    of.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="with --engines: as this daemon's configuration says",
    )
    parser.add_argument(
        "--measure", action="store_true", help="with --engines: again, although there is a record"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="with --engines: of all timings (default 12)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Look, measure if asked to, and print."""
    from phenostream.daemon.summariser.llm.bindings import installed_bindings
    from phenostream.daemon.tuning.box import gpu
    from phenostream.deploy.bench.box import describe_box, describe_in_a_line
    from phenostream.deploy.language_models.shelf import fetched_models, models_folder

    box = describe_box() | {"gpu": gpu() or None}
    words = {
        "bindings": list(installed_bindings()),
        "models": [model.stem for model in fetched_models(models_folder())],
    }
    if args.seconds is not None and not 0 < args.seconds <= 600:
        raise BadConfig(f"--seconds {args.seconds:g}: allowed more than 0, up to 600")
    examined = _examined(args) if args.engines else None
    usable = examined is None or any(row.reason is None for row in examined.rows)
    if args.json:
        say_json({"box": box, "language_models": words, **(examined.as_dict() if examined else {})})
    else:
        say(f"box: {describe_in_a_line(box)}")
        say(f"GPU: {box['gpu'] or 'no CUDA device that a driver offers'}")
        if examined is not None:
            _say_engines(examined)
        else:
            say(_language_models(words["models"], words["bindings"]))
            say("engines: not looked at; `phenostream doctor --engines` measures them")
    return 0 if usable else 1


def _language_models(models: Sequence[str], bindings: Sequence[str]) -> str:
    have = ", ".join(models) or "none, `phenostream fetch-llm smollm2` brings one"
    runs = ", ".join(bindings) or "nothing, pip install 'phenostream[llm-prebuilt]'"
    return f"language models: {have}; run by: {runs}"


def _examined(args: argparse.Namespace) -> "Examination":
    from phenostream.daemon.tuning.choice import BUDGET_S
    from phenostream.deploy.doctor.engines import examine

    config = _model_config(args)
    with progress(None, "measuring", "timing") as bar:

        def on_step(done: int, of: int, what: str) -> None:
            bar.total = of
            bar.set_postfix_str(what, refresh=False)
            bar.update(done - bar.n)

        budget_s = args.seconds if args.seconds is not None else BUDGET_S
        return examine(config, again=args.measure, budget_s=budget_s, on_step=on_step)


def _model_config(args: argparse.Namespace) -> "ModelConfig":
    from phenostream.daemon.model_config import ModelConfig
    from phenostream.deploy.bundles import bundle_path, load_site_config

    if args.config is not None:
        return load_site_config(args.config).model
    return ModelConfig(bundle=str(bundle_path(args.bundle).resolve()))


def _say_engines(examined: "Examination") -> None:
    found, manifest = examined.found, examined.bundle.manifest
    when = "measured now" if examined.is_new else f"measured {found.utc}"
    synthetic = ", SYNTHETIC weights" if manifest.synthetic else ""
    say(f"bundle: {examined.bundle.identity}{synthetic}")
    say(
        f"{when} in {found.took_s:g} s, while other work took {found.others:.0%} of the CPU; {examined.source}"
    )
    say()
    say_table(
        ["backend", "precision", "golden", "streams", "threads", "batch",
         "cells/s", "least", "most", "batch-1 ms", "taken"],
        list(_measured(examined.rows)),
    )  # fmt: skip
    say()
    for row in examined.rows:
        if row.reason is not None:
            who = f"{row.backend} {row.precision}" if row.precision else row.backend
            say(f"{who} cannot serve: {row.reason.removeprefix(f'{row.backend}: ')}")
    say(f"{examined.why}.")


def _measured(rows: Sequence["EngineRow"]) -> Iterator[list[Any]]:
    """The table's cells of what can serve."""
    for row in rows:
        best = row.best
        if best is not None:
            yield [
                row.backend, row.precision, f"{row.golden:.1e}", best.streams, best.threads, best.max_batch,
                best.cells_per_s, best.least, best.most, best.batch1_ms, "*" if row.taken else "",
            ]  # fmt: skip
