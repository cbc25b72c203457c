"""Measuring in a process of its own: what a runtime leaves behind, hangs in or dies of stays there."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import IO, Any, Final

from pydantic import ValidationError

from phenostream.daemon.tuning.calibration import Calibration, OnStep
from phenostream.daemon.tuning.measuring import PLAIN_REQUEST, Request
from phenostream.daemon.tuning.plan import KEEP_PLANS
from phenostream.daemon.tuning.record import from_json
from phenostream.engine.errors import EngineFault

PROGRAM: Final = (sys.executable, "-m", "phenostream.daemon.tuning.measuring")
LOADING_S: Final = 60.0
"""Beyond twice the budget, for loading and for ways that are slower than their share."""
BUILDING_S: Final = 900.0
"""Likewise, where engines may have to be built first."""
_LEAVING_S: Final = 5.0
_READ_BYTES: Final = 1 << 16


def measure_apart(
    request: Request,
    *,
    on_step: OnStep = lambda done, of, what: None,
    program: tuple[str, ...] = PROGRAM,
    limit_s: float | None = None,
) -> Calibration:
    """Measure in a process of its own, and wait for it.

    Args:
        request: What to measure.
        on_step: Called after each timing.
        program: What serves the request; another one in tests.
        limit_s: Longest time; default: `longest_s`.

    Raises:
        EngineFault: It ended without a result, or was ended as it took too long; the line says which.
    """
    limit_s = limit_s if limit_s is not None else longest_s(request)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
        )
        with process:
            try:
                return _result(process, request, limit_s, on_step)
            except _Ended as err:
                reason = str(err) or _last_words(process, said)
                raise EngineFault(f"measuring ended: {reason}") from err
            finally:
                process.kill()


def longest_s(request: Request) -> float:
    """How long measuring may take, loading and building included, s."""
    builds = any(name in KEEP_PLANS for name in request.plan.backends)
    return 2 * request.budget_s + LOADING_S + (BUILDING_S if builds else 0.0)


class _Ended(Exception):
    """There is no result; the text says why, if the process did."""


def _result(
    process: "subprocess.Popen[bytes]", request: Request, limit_s: float, on_step: OnStep
) -> Calibration:
    if process.stdin is None or process.stdout is None:
        raise _Ended("its pipes are not connected")
    try:
        process.stdin.write(PLAIN_REQUEST.dump_json(request))
        process.stdin.close()
    except BrokenPipeError as err:
        raise _Ended from err
    for line in _lines(process.stdout, time.monotonic() + limit_s):
        said = _understood(line)
        if "result" in said:
            try:
                return from_json(said["result"])
            except ValidationError as err:
                raise _Ended("its result is not understood") from err
        if "refused" in said:
            raise _Ended(str(said["refused"]))
        on_step(int(said["done"]), int(said["of"]), str(said["what"]))
    raise _Ended


def _lines(stdout: IO[bytes], deadline_s: float) -> Iterator[bytes]:
    """What it says until it ends.

    Raises:
        _Ended: It said nothing more in time.
    """
    rest = b""
    while (left := deadline_s - time.monotonic()) > 0:
        if not select.select([stdout], [], [], left)[0]:
            continue
        content = os.read(stdout.fileno(), _READ_BYTES)
        if not content:
            return
        *lines, rest = (rest + content).split(b"\n")
        yield from lines
    raise _Ended("it took too long")


def _understood(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError as err:
        raise _Ended(f"it said {line[:80]!r}") from err
    if not isinstance(said, dict) or not said.keys() & {"result", "refused", "done"}:
        raise _Ended(f"it said {line[:80]!r}")
    return said


def _last_words(process: "subprocess.Popen[bytes]", said: IO[bytes]) -> str:
    """How it ended, and the last line of its standard error."""
    try:
        code = process.wait(_LEAVING_S)
    except subprocess.TimeoutExpired:
        return "it closed its output and went on"
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{how}: {lines[-1][:200]}" if lines else how
