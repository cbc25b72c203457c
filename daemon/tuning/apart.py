"""Measuring in a process of its own: what a runtime leaves behind, hangs in or dies of stays there."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Any, Final

from pydantic import ValidationError

from phenostream.daemon.tuning.calibration import Calibration, OnStep
from phenostream.daemon.tuning.measuring import PLAIN_REQUEST, Request
from phenostream.daemon.tuning.plan import KEEP_PLANS, Plan
from phenostream.daemon.tuning.record import from_json
from phenostream.engine.backends.registry import NEED_CUDA
from phenostream.engine.errors import EngineFault

PROGRAM: Final = (sys.executable, "-P", "-m", "phenostream.daemon.tuning.measuring")
"""Without the folder that the daemon is started in, whose ``random.py`` is none of ours."""
LOADING_S: Final = 120.0
"""Beyond twice the budget, for loading and for ways that are slower than their share."""
ON_GPU_S: Final = 240.0
"""Beyond that, where graphs are captured on a GPU."""
BUILDING_S: Final = 900.0
"""Beyond that, where engines may have to be built or graphs compiled first."""
_LEAVING_S: Final = 5.0
_LOOK_S: Final = 0.2
_READ_BYTES: Final = 1 << 16


def measure_apart(
    request: Request,
    *,
    on_step: OnStep = lambda done, of, what: None,
    program: tuple[str, ...] = PROGRAM,
    limit_s: float | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Calibration:
    """Measure in a process of its own, and wait for it.

    Args:
        request: What to measure.
        on_step: Called after each timing.
        program: What serves the request; another one in tests.
        limit_s: Longest time; default: `longest_s`.
        stopped: Asked several times a second whether to give up.

    Raises:
        EngineFault: It could not begin, ended without a result, or was ended as it took too long or nobody waits for
            it; the line says which.
    """
    limit_s = limit_s if limit_s is not None else longest_s(request)
    with ExitStack() as stack:
        try:
            said = stack.enter_context(tempfile.TemporaryFile())
            process = stack.enter_context(
                subprocess.Popen(  # noqa: S603 - our own command, no shell
                    program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
                )
            )
        except OSError as err:
            raise EngineFault(f"measuring cannot begin: {err.strerror or err}") from err
        try:
            lines = _asked(process, request, time.monotonic() + limit_s, stopped)
            return _result(lines, on_step)
        except _Ended as err:
            reason = str(err) or _last_words(process, said)
            raise EngineFault(f"measuring ended: {reason}") from err
        finally:
            process.kill()


def longest_s(request: Request) -> float:
    """How long measuring may take, loading and building included, s."""
    return 2 * request.budget_s + loading_s(request.plan)


def loading_s(plan: Plan) -> float:
    """How long loading whatever may serve can take, where engines have to be built first, s."""
    limit_s = LOADING_S
    if any(name in NEED_CUDA for name in plan.backends):
        limit_s += ON_GPU_S
    if plan.compile or any(name in KEEP_PLANS for name in plan.backends):
        limit_s += BUILDING_S
    return limit_s


class _Ended(Exception):
    """There is no result; the text says why, if the process did."""


def _asked(
    process: "subprocess.Popen[bytes]",
    request: Request,
    deadline_s: float,
    stopped: Callable[[], bool],
) -> Iterator[bytes]:
    """Hand the request over; then the lines of the answer, until the process ends.

    Raises:
        _Ended: It said nothing more in time, or is not to go on.
    """
    if process.stdin is None or process.stdout is None:
        raise _Ended("its pipes are not connected")
    try:
        process.stdin.write(PLAIN_REQUEST.dump_json(request))
        process.stdin.close()
    except BrokenPipeError as err:
        raise _Ended from err
    rest = b""
    while not stopped():
        if time.monotonic() >= deadline_s:
            raise _Ended("it took too long")
        if not select.select([process.stdout], [], [], _LOOK_S)[0]:
            continue
        content = os.read(process.stdout.fileno(), _READ_BYTES)
        if not content:
            return
        *lines, rest = (rest + content).split(b"\n")
        yield from lines
    raise _Ended("it was told to stop")


def _result(lines: Iterable[bytes], on_step: OnStep) -> Calibration:
    """The last line's result.

    Raises:
        _Ended: There is none.
    """
    for line in lines:
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
