"""Build the plan that TensorRT runs of a bundle, before the daemon needs it, or for other boxes.

A daemon builds its plan at its first start and keeps it in [model] engine_cache; this does the same beforehand (run it
as the daemon's user). TensorRT builds for the GPU at hand and takes minutes; TensorRT-RTX builds for all the GPUs it
knows, in seconds, and needs none. Nothing is run: whether the plan gives the golden outputs, the daemon's start tells.

A plan depends on the graph, the library's version, GPU, driver, buckets and flags; any other and it is built again.
With --out it is also written to a file, which says all this in front; --take puts such a file into the cache of a box
that it fits, instead of building. A plan is a program: take one only from where you would take a program.

Examples:
  phenostream build-engine --bundle demo --library tensorrt_rtx
  phenostream build-engine --bundle my_bundle --cache /var/lib/phenostream/engines --out my_bundle.plan
  phenostream build-engine --bundle my_bundle --cache /var/lib/phenostream/engines --take my_bundle.plan
"""

import argparse
import time
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.engine_cache import opened_cache
from phenostream.deploy.bundles import bundle_path
from phenostream.deploy.cli.terminal import note, progress, say, say_json
from phenostream.deploy.plans import (
    PlanOrder,
    Result,
    fetched,
    hand_on,
    present_device,
    settled_library,
    taken,
)
from phenostream.engine.backends.tensorrt.build import FILES, BuildSettings, best_precision
from phenostream.engine.backends.tensorrt.library import LIBRARIES
from phenostream.engine.backends.tensorrt.profile import BUCKETS
from phenostream.engine.bundle import load_bundle
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import BadConfig

_STEPS: Final = 1000
"""Of the bar."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--bundle", required=True, metavar="B", help="folder of a bundle, or demo")
    parser.add_argument(
        "--library",
        choices=LIBRARIES,
        help="default: tensorrt where it and a GPU are there, else tensorrt_rtx",
    )
    parser.add_argument(
        "--precision", choices=tuple(FILES), help="default: fp16 where the bundle has it, else fp32"
    )
    parser.add_argument(
        "--batch-buckets",
        metavar="N,N",
        help="batch sizes it serves, rising, 1 to 4096; default: the daemon's, 1,8,32,128,512,1024",
    )
    parser.add_argument(
        "--workspace",
        type=int,
        metavar="MIB",
        help="most device memory for one layer, MiB, 16 to 65536; default: the library decides",
    )
    parser.add_argument(
        "--version-compatible",
        action="store_true",
        help="later versions of tensorrt can run it (slower, larger; for other programs)",
    )
    parser.add_argument(
        "--hardware-compatible",
        action="store_true",
        help="every GPU of the same compute capability can run it (may be slower)",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="the daemon's engine cache")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there too, to hand on")
    parser.add_argument(
        "--take", type=Path, metavar="FILE", help="take it from there; needs --cache"
    )
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")


def run(args: argparse.Namespace) -> int:
    """Get the plan, keep it, hand it on, and say what it is."""
    if args.take is not None and args.cache is None:
        raise BadConfig("--take: needs --cache, the folder to put it into")
    if args.out is not None and not args.out.parent.is_dir():
        raise BadConfig(f"--out {args.out}: there is no folder {args.out.parent}")
    order = _order(args)
    started = time.monotonic()
    result = _result(order, opened_cache(args.cache, "--cache"), args.take)
    seconds = time.monotonic() - started
    if args.out is not None:
        hand_on(order, result.plan, args.out)
    if args.json:
        say_json(_as_dict(order, result, seconds, args))
    else:
        _tell(order, result, seconds, args)
    return 0


def _order(args: argparse.Namespace) -> PlanOrder:
    """What is to be had, as the command line says."""
    bundle = load_bundle(bundle_path(args.bundle))
    settings = BuildSettings(
        precision=args.precision or best_precision(bundle),
        buckets=BUCKETS if args.batch_buckets is None else _buckets(args.batch_buckets),
        workspace_mib=args.workspace,
        version_compatible=args.version_compatible,
        hardware_compatible=args.hardware_compatible,
    )
    return PlanOrder(bundle, settled_library(args.library), settings, present_device())


def _buckets(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as err:
        raise BadConfig(f"--batch-buckets {text}: allowed whole numbers, as in 1,8,32") from err


def _result(order: PlanOrder, cache: EngineCache | None, file: Path | None) -> Result:
    if file is not None and cache is not None:
        return taken(order, file, cache)
    with progress(_STEPS, "building", "‰") as bar:
        return fetched(order, cache, _Shown(bar))


class _Shown:
    """A build as a bar, see `Watch`."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def waiting(self) -> None:
        """Say whom we wait for."""
        note("another process is building into this cache: waiting for it")

    def building(self, phase: str, share: float) -> None:
        """Move the bar."""
        self._bar.set_postfix_str(phase, refresh=False)
        self._bar.update(round(share * _STEPS) - self._bar.n)


def _as_dict(
    order: PlanOrder, result: Result, seconds: float, args: argparse.Namespace
) -> dict[str, Any]:
    """What a program reads; `facts` is the key that the plan is kept under."""
    return {
        "bundle": order.bundle.identity,
        "library": order.library.name,
        "version": order.library.version,
        "precision": order.settings.precision,
        "file": order.settings.file,
        "buckets": order.settings.buckets,
        "facts": dict(order.facts),
        "origin": result.origin,
        "bytes": len(result.plan),
        "seconds": round(seconds, 3),
        "daemon_uses_it": order.is_daemons and args.cache is not None,
        "cache": None if args.cache is None else str(args.cache),
        "out": None if args.out is None else str(args.out),
    }


def _tell(order: PlanOrder, result: Result, seconds: float, args: argparse.Namespace) -> None:
    facts, settings = order.facts, order.settings
    done = {
        "built": f"built in {seconds:.1f} s",
        "kept": "in the cache already",
        "taken": f"taken from {args.take}",
    }
    where = f"{facts['gpu']}, driver {facts['driver']}"
    if order.library.is_rtx:
        where = "any GPU that the library supports, finished for it at the start"
    say(f"{order.library}: {settings.file} of {order.bundle.identity}, for {where}")
    say(
        f"buckets {','.join(map(str, settings.buckets))}, {len(result.plan) / 1e6:.1f} MB, "
        f"{done[result.origin]}; not run"
    )
    if args.cache is not None:
        say(f"kept in {args.cache}")
    if args.out is not None:
        say(f"written to {args.out}")
    if args.cache is None and args.out is None:
        say("kept nowhere: --cache DIR keeps it for the daemon, --out FILE hands it on")
    if args.cache is not None and not order.is_daemons:
        say("a daemon will not use it: it wants the default buckets, workspace and compatibility")
