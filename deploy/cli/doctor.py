"""What is well and what is not with this box and a daemon on it, line by line, each with what to do about it.

Looks at the processor, memory, GPU, clock, disks, ports, keys, folders, bundle, language model and units of systemd,
and infers once as the daemon's user and once inside the sandbox of its unit. `warn`: it works, but could be better.
`fail`: a daemon does not start, or loses what it promises. `not run`: nobody looked, and why. Run by root (sudo) it
looks as the daemon's own user. Without --config it takes /etc/phenostream/config.toml where that is there.

--engines: how right and how fast each engine is. They are measured in a process of their own, for about half a minute,
unless a record of this box, bundle and configuration is kept in the engine cache.

Exit code 0: nothing fails (--engines: some backend can serve). 1: something does.

Examples:
  sudo phenostream doctor
  phenostream doctor --config deploy/config.example.toml --json
  phenostream doctor --engines
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.terminal import printable, progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.model_config import ModelConfig
    from phenostream.deploy.doctor.engines import EngineRow, Examination
    from phenostream.deploy.doctor.finding import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    of = parser.add_mutually_exclusive_group()
    of.add_argument("--config", type=Path, metavar="FILE", help="of the daemon to look at")
    of.add_argument(
        "--bundle", default="demo", metavar="DIR", help="with --engines: which (default: demo)"
    )
    parser.add_argument(
        "--engines", action="store_true", help="load, check and time every backend with a bundle"
    )
    parser.add_argument(
        "--measure", action="store_true", help="with --engines: again, although there is a record"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="with --engines: of all timings (default 12)"
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Look, measure if asked to, and print."""
    if args.seconds is not None and not 0 < args.seconds <= 600:
        raise BadConfig(f"--seconds {args.seconds:g}: allowed more than 0, up to 600")
    if args.inside:
        return _infer_once(args)
    return _engines(args) if args.engines else _everything(args)


def _infer_once(args: argparse.Namespace) -> int:
    """What the doctor starts as another process; see `deploy.doctor.inference`."""
    from phenostream.deploy.bundles import load_site_config
    from phenostream.deploy.doctor.inference import infer_once

    if args.config is None:
        raise BadConfig("--inside: needs --config FILE")
    say_json(infer_once(load_site_config(args.config)))
    return 0


def _everything(args: argparse.Namespace) -> int:
    from phenostream.deploy.doctor.finding import worst
    from phenostream.deploy.doctor.patient import admitted
    from phenostream.deploy.doctor.sections import examined

    patient = admitted(args.config)
    told: list[tuple[str, Finding]] = []
    for section, finding in examined(patient):
        if not args.json:
            _say_finding(section if not told or told[-1][0] != section else "", finding)
        told.append((section, finding))
    verdict = worst([finding.verdict for _, finding in told])
    if args.json:
        findings = [finding.as_dict(section) for section, finding in told]
        path = None if patient.path is None else str(patient.path)
        who = {"config": path, "user": patient.account.name}
        say_json({"verdict": verdict, **who, **_box(), "findings": findings})
    else:
        _say_verdict([finding for _, finding in told])
    return 1 if verdict == "fail" else 0


def _say_finding(section: str, finding: "Finding") -> None:
    """One or two lines, under their section's name where it begins."""
    if section:
        say(section)
    say(f"  {finding.verdict:7}  {finding.what}: {printable(finding.found)}")
    if finding.todo:
        say(f"           -> {printable(finding.todo)}")


def _say_verdict(found: Sequence["Finding"]) -> None:
    counts = {
        verdict: sum(one.verdict == verdict for one in found)
        for verdict in ("ok", "warn", "fail", "not run")
    }
    say()
    say(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    say("engines: not timed; `phenostream doctor --engines` does")


def _box() -> dict[str, Any]:
    """The box and its language models, for a program."""
    from phenostream.daemon.summariser.llm.bindings import installed_bindings
    from phenostream.daemon.tuning.box import gpu
    from phenostream.deploy.bench.box import describe_box
    from phenostream.deploy.language_models.shelf import fetched_models, models_folder

    words = {
        "bindings": list(installed_bindings()),
        "models": [model.stem for model in fetched_models(models_folder())],
    }
    return {"box": describe_box() | {"gpu": gpu() or None}, "language_models": words}


def _engines(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.box import describe_in_a_line

    about, examined = _box(), _examined(args)
    if args.json:
        say_json({**about, **examined.as_dict()})
    else:
        say(f"box: {describe_in_a_line(about['box'])}")
        say(f"GPU: {about['box']['gpu'] or 'no CUDA device that a driver offers'}")
        _say_engines(examined)
    return 0 if any(row.reason is None for row in examined.rows) else 1


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
