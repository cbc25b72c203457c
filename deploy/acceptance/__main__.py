"""One command for a box with a GPU: builds, golden parity, throughput, latency and memory, written to a report.

Every GPU backend in every precision is tried: tensorrt, tensorrt_rtx, torch. What is not installed, or refuses this
GPU, is told with its reason. Exit code 0: something passed and nothing failed. 1: something failed, or nothing could be
tried. 2: no GPU, or bad usage.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from phenostream.deploy.acceptance.card import Card, ManagedCard
from phenostream.deploy.acceptance.examination import Effort, Outcome, Place, examine
from phenostream.deploy.acceptance.report import Report, write_report
from phenostream.deploy.bench.box import describe_box
from phenostream.deploy.bundles import bundle_path
from phenostream.deploy.cli.terminal import note, progress, say
from phenostream.engine.backends.driver import cuda_devices
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.backends.registry import PRECISIONS, golden_test, open_backend
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.engine_cache import KEY_BYTES, EngineCache
from phenostream.engine.errors import BadInput, EngineFault, PhenostreamError
from phenostream.engine.manifest import Precision

GPU_BACKENDS: Final = ("tensorrt", "tensorrt_rtx", "torch")
GOOD, FAILED, NO_GPU = 0, 1, 2


def main(argv: Sequence[str] | None = None, effort: Effort | None = None) -> int:
    """Run it all and return the exit code."""
    parser = argparse.ArgumentParser("gpu-acceptance", description=__doc__)
    parser.add_argument("--bundle", default="demo", metavar="DIR", help="default: demo")
    parser.add_argument(
        "--out", type=Path, default=Path("gpu-acceptance"), metavar="DIR", help="for the report"
    )
    parser.add_argument(
        "--backend", action="append", choices=GPU_BACKENDS, help="only these (default: all three)"
    )
    args = parser.parse_args(argv)
    if not cuda_devices():
        note("gpu-acceptance: no CUDA device, or no driver for it: nothing was run")
        return NO_GPU
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    try:
        bundle = load_bundle(bundle_path(args.bundle))
        report = accept(bundle, args.backend or GPU_BACKENDS, ManagedCard(), effort or Effort())
        paths = write_report(args.out, report)
    except PhenostreamError as err:
        note(f"gpu-acceptance: {err}")
        return NO_GPU if isinstance(err, BadInput) else FAILED
    say(report.in_markdown())
    say(f"written to {paths[0]} and {paths[1]}")
    return GOOD if report.passed else FAILED


def accept(bundle: Bundle, backends: Sequence[str], card: Card, effort: Effort) -> Report:
    """Examine every backend in every precision, each with an engine cache of its own that is gone afterwards."""
    utc = datetime.now(UTC).isoformat(timespec="seconds")
    box, outcomes = describe_box(), list[Outcome]()
    rows = [(name, precision) for name in backends for precision in PRECISIONS[name]]
    with progress(len(rows), "gpu-acceptance", "backend") as bar:
        for name, precision in rows:
            bar.set_postfix_str(f"{name} {precision}")
            outcomes.append(_examined(bundle, name, precision, card, effort))
            bar.update()
    version = metadata.version("phenostream")
    return Report(utc, version, card.facts, box, bundle.identity, outcomes)


def _examined(
    bundle: Bundle, name: str, precision: Precision, card: Card, effort: Effort
) -> Outcome:
    with TemporaryDirectory(prefix="phenostream-") as folder:
        cache = EngineCache(Path(folder) / "engines", bytes(KEY_BYTES))

        def open_way(name: str, precision: Precision, streams: int, largest: int) -> Backend:
            try:
                return open_backend(
                    bundle,
                    name,
                    streams=streams,
                    max_batch=largest,
                    precision=precision,
                    cache=cache,
                )
            except PhenostreamError:
                raise
            except Exception as err:  # a runtime that is imported now may raise anything
                raise EngineFault(f"{name}: {type(err).__name__}: {err}"[:200]) from err

        place = Place(
            open_way,
            lambda backend: golden_test(backend, bundle),
            bundle.golden.crops,
            card,
            cache.directory,
        )
        return examine(name, precision, place, effort)


if __name__ == "__main__":
    sys.exit(main())
