"""The process that measures: `python -m phenostream.daemon.tuning.measuring`, started by `apart`.

Reads one request as JSON on standard input and writes JSON lines on standard output: one after every timing, the result
or the refusal as the last. Ends by itself when nobody reads them any more.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from phenostream.daemon.engine_cache import opened_cache
from phenostream.daemon.memory import keep_large_blocks
from phenostream.daemon.tuning.calibration import Open, calibrate
from phenostream.daemon.tuning.plan import KEEP_PLANS, Plan
from phenostream.daemon.tuning.record import to_json
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import BadBundle, EngineFault, PhenostreamError
from phenostream.engine.manifest import Precision


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure.

    Attributes:
        bundle: Folder of the bundle.
        sha256: Its identity as the daemon verified it; another one is refused.
        plan: What to try.
        budget_s: Time for all timings together.
        engine_cache: Folder for what takes minutes to build; None: nowhere.
    """

    bundle: Path
    sha256: str
    plan: Plan
    budget_s: float
    engine_cache: Path | None = None


PLAIN_REQUEST = TypeAdapter(Request)


def main() -> int:
    """Serve one request."""
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a runtime prints is no answer

    def answer(line: dict[str, Any]) -> None:
        os.write(answers, json.dumps(line).encode() + b"\n")

    def on_step(done: int, of: int, what: str) -> None:
        answer({"done": done, "of": of, "what": what})

    keep_large_blocks()  # as the daemon does
    try:
        request = PLAIN_REQUEST.validate_json(sys.stdin.buffer.read())
        bundle = load_bundle(request.bundle)
        if bundle.sha256 != request.sha256:
            raise BadBundle(f"{request.bundle}: is another bundle than a moment ago")
        open_way = opener(bundle, opened_cache(request.engine_cache), compile=request.plan.compile)
        found = calibrate(
            bundle, request.plan, open_way, budget_s=request.budget_s, on_step=on_step
        )
    except PhenostreamError as err:
        answer({"refused": str(err)})
        return 1
    answer({"result": to_json(found).decode()})
    return 0


def opener(bundle: Bundle, cache: EngineCache | None, *, compile: bool = False) -> Open:
    """Opens ways to run a bundle; only what takes minutes to build is kept, for there are many ways."""

    def open_way(
        name: str, precision: Precision, streams: int, threads: int, largest: int
    ) -> Backend:
        try:
            return open_backend(
                bundle,
                name,
                streams=streams,
                threads=threads,
                max_batch=largest,
                precision=precision,
                compile=compile,
                cache=cache if name in KEEP_PLANS else None,
            )
        except PhenostreamError:
            raise
        except Exception as err:  # a runtime that is imported now may raise anything
            raise EngineFault(f"{name}: {type(err).__name__}: {err}"[:200]) from err

    return open_way


if __name__ == "__main__":
    sys.exit(main())
