"""One life of the daemon: startup, loop, shutdown.

Signal handlers set a flag and do nothing else. The first SIGTERM or SIGINT drains: every frame that was received gets
its fate, the rest stays with its source. The second one forces. SIGHUP has the allow-list read again. systemd hears
what the start is at, how the daemon is, and, while everything goes on, that it does: see `watchdog`. The exit code
tells the truth: 0 drained, 1 a thread died or frames were left, 3 drained while degraded; a configuration, bundle or
journal that is refused is raised.
"""

import logging
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any, Final

import cv2

from phenostream.daemon.assembly import Assembly
from phenostream.daemon.claims import claimed, claimed_endpoint
from phenostream.daemon.config import Config
from phenostream.daemon.descriptors import allow_descriptors
from phenostream.daemon.health import Health
from phenostream.daemon.journal.loss import describe_losses
from phenostream.daemon.ledger import FATES
from phenostream.daemon.lookout import look_around, look_first
from phenostream.daemon.memory import keep_large_blocks
from phenostream.daemon.model import opened_model, verified_bundle
from phenostream.daemon.notify import going_on, notify, starting, status_line, watchdog_s
from phenostream.daemon.recovery import recover
from phenostream.daemon.security.consent import say_what_is_plain
from phenostream.daemon.security.curve_rate import warn_of_shortfall
from phenostream.daemon.security.guard import Guard
from phenostream.daemon.surroundings import check_surroundings
from phenostream.daemon.swap.models import Models
from phenostream.daemon.tuning.apart import loading_s, measure_apart
from phenostream.daemon.tuning.choice import Measure, plan_of
from phenostream.daemon.wake import Wake
from phenostream.daemon.watchdog import Watchdog
from phenostream.engine.errors import BadConfig

logger = logging.getLogger(__name__)

DAMAGE: Final = "journal_damage"
"""Fault of a journal that has lost something for good."""
FORGOTTEN: Final = "journal_forgotten"
"""Fault of a journal whose oldest records were removed and of which no checkpoint tells."""
GOOD: Final = 0
FAILED: Final = 1
DEGRADED: Final = 3
DRAIN_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 5.0
_CLAIM_S: Final = 3.0
"""Whoever only checks the configuration gives a lock back sooner; a refusal is final where systemd started us."""
_TICK_S: Final = 1.0
_RECORD_S: Final = 60.0
"""Between two records of a journal that is read, on a disk that is in trouble."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a daemon that has become ready says.

    Attributes:
        ingest: Endpoint for sources, with its real port.
        results: Endpoint for subscribers.
        control: Endpoint for status, drain and replay.
        model: Name, version, backend, precision and who signed it, for a person.
        startup_s: From the call of `serve` to now.
        sources: Endpoints of the best-effort sources, by name.
    """

    ingest: str
    results: str
    control: str
    model: str
    startup_s: float
    sources: dict[str, str] = field(default_factory=dict)


def serve(config: Config, on_ready: Callable[[Ready], None] | None = None) -> int:
    """Run the daemon until it is told to stop; signals are taken when called in the main thread.

    Args:
        config: Checked.
        on_ready: Called once, when frames are taken.

    Returns:
        The exit code; see the module.

    Raises:
        BadConfig: An endpoint or the journal is in use or cannot be opened.
        BadBundle: The model is refused.
        BadInput: A configured background is refused.
        BadRecording: The journal is refused; one that is damaged is not, see `loss`.
        EngineFault: No backend works.
    """
    began_s = time.monotonic()
    with ExitStack() as stack:
        wake = stack.enter_context(Wake())
        signals = stack.enter_context(_signals(wake))
        health = Health()
        guard = Guard(config.security, health)
        stack.callback(guard.close)
        measure = partial(measure_apart, stopped=lambda: bool(signals.stops))
        assembly = _start(config, measure, guard, health, wake, stack)
        try:
            _announce(assembly, health, began_s, on_ready)
            _watch(config, assembly, guard, health, wake, signals)
        except BaseException:
            assembly.stop(_STOP_TIMEOUT_S, force=True)
            raise
        return _shut_down(assembly, health, wake, signals)


def _start(
    config: Config, measure: Measure, guard: Guard, health: Health, wake: Wake, stack: ExitStack
) -> Assembly:
    cv2.setNumThreads(1)
    keep_large_blocks()
    allow_descriptors()
    directory = config.journal.directory
    check_surroundings(config)
    what = f"journal.directory: {directory}"
    stack.enter_context(claimed(directory / "lock", what, _CLAIM_S))
    for key, url in config.listening():
        stack.enter_context(claimed_endpoint(url, key, config.security.ipc_group, _CLAIM_S))
    say_what_is_plain(config)
    look_first(config, health)
    warn_of_shortfall(config)
    reading = going_on(f"reading the journal {directory}", _RECORD_S)
    found = recover(directory, config.journal.segment_bytes, config.ingest.max_open_runs, reading)
    journal = found.journal
    found.ledger.go_on()
    stack.callback(journal.close)
    journal.on_loss = partial(health.degrade, DAMAGE)
    if journal.losses:
        health.degrade(DAMAGE, describe_losses(journal.losses))
    if found.unknown is not None:
        health.degrade(FORGOTTEN, found.unknown)
    starting(f"loading the bundle {config.model.bundle}", loading_s(plan_of(config.model)))
    # Held by nobody else: the bundle of a model that gave way is freed.
    models = Models(opened_model(verified_bundle(config.model), config.model, measure))
    stack.callback(models.close)
    assembly = Assembly(config, models, found, guard, health, wake)
    try:
        assembly.start()
    except BaseException:
        assembly.stop(_STOP_TIMEOUT_S, force=True)
        raise
    return assembly


def _announce(
    assembly: Assembly, health: Health, began_s: float, on_ready: Callable[[Ready], None] | None
) -> None:
    health.enter("ready")
    sources = {
        key.removeprefix("sources."): url
        for key, url in assembly.endpoints.items()
        if key.startswith("sources.")
    }
    ready = Ready(
        **{key: assembly.endpoints[key] for key in ("ingest", "results", "control")},
        model=_served(assembly.model),
        startup_s=time.monotonic() - began_s,
        sources=sources,
    )
    logger.info(
        "READY in %.2f s: ingest %s, results %s, control %s, %s",
        ready.startup_s,
        ready.ingest,
        ready.results,
        ready.control,
        ready.model,
    )
    for name, url in sources.items():
        logger.info(
            "best-effort source %s at %s: gaps are counted, nothing is acknowledged", name, url
        )
    notify(f"READY=1\n{status_line(_standing(assembly, health))}")
    if on_ready is not None:
        on_ready(ready)


def _watch(
    config: Config,
    assembly: Assembly,
    guard: Guard,
    health: Health,
    wake: Wake,
    signals: "_Signals",
) -> None:
    """Wait for a reason to stop; meanwhile look after all threads, and tell systemd how the daemon is."""
    limit_s, told = watchdog_s(), ""
    watchdog = Watchdog(health, assembly.hung, limit_s)
    if limit_s is not None and limit_s <= assembly.longest_call_s:
        logger.warning(
            "a call of an engine may take %g s, and systemd ends this daemon after %g s (WatchdogSec): "
            "one that hangs is ended with it before another engine takes over",
            assembly.longest_call_s,
            limit_s,
        )
    while not signals.stops and assembly.failure is None and not assembly.drain_wanted.is_set():
        _wait(wake, watchdog.tick_s(_TICK_S))
        if signals.reloads:
            signals.reloads.clear()
            with suppress(BadConfig):  # it is in the log, and a fault
                guard.reload()
        watchdog.look()
        look_around(config, health)
        if (line := status_line(_standing(assembly, health))) != told:
            notify(line)
            told = line


def _shut_down(assembly: Assembly, health: Health, wake: Wake, signals: "_Signals") -> int:
    health.enter("draining")
    notify("STOPPING=1\nSTATUS=draining: received frames get their fate")
    watchdog = Watchdog(health, assembly.hung, watchdog_s())
    logger.info("draining: received frames get their fate, new ones stay with their source")
    assembly.drain()
    forcing, deadline_s = len(signals.stops) + 1, time.monotonic() + DRAIN_TIMEOUT_S
    while not assembly.drained and assembly.failure is None:
        if len(signals.stops) >= forcing or time.monotonic() >= deadline_s:
            break
        _wait(wake, watchdog.tick_s(_TICK_S))
        watchdog.look()
    drained = assembly.drained and assembly.failure is None
    late = assembly.stop(_STOP_TIMEOUT_S, force=not drained)
    health.enter("stopped")
    if assembly.failure is not None or not drained or late:
        logger.error(
            "stopped before every received frame had its fate; sources will send them again"
        )
        return FAILED
    logger.info(
        "stopped; every received frame has its fate; %s",
        _said(assembly.status()["ledger"]["total"]),
    )
    return DEGRADED if health.degraded else GOOD


def _standing(assembly: Assembly, health: Health) -> str:
    """State, model and open faults in one line."""
    faults = health.snapshot()["faults"]
    wrong = "; ".join(f"{name}: {reason}" for name, reason in faults.items())
    served = f"serving {_served(assembly.model)}"
    return f"DEGRADED ({wrong}), {served}" if faults else served


def _served(model: Mapping[str, Any]) -> str:
    """The model in a few words; that nobody signed it is one of them."""
    signed = f"signed by {model['signed_by']}" if model["signed_by"] else "unsigned"
    return (
        f"{model['name']} {model['version']} on {model['backend']} {model['precision']}, {signed}"
    )


def _said(total: Mapping[str, int]) -> str:
    """The account of the whole journal as one line for a person."""
    fates = ", ".join(f"{total[fate]} {fate}" for fate in (*FATES, "missing"))
    cells = f"{total['cells_found']} found, {total['cells_classified']} classified"
    return f"since this journal began: frames {total['received']} received, {fates}; cells {cells}"


def _wait(wake: Wake, timeout_s: float) -> None:
    select.select([wake.fileno()], [], [], timeout_s)
    wake.clear()


@dataclass(frozen=True, slots=True)
class _Signals:
    """What arrived so far.

    Attributes:
        stops: SIGTERM and SIGINT.
        reloads: SIGHUP, until it is attended to.
    """

    stops: list[int] = field(default_factory=list)
    reloads: list[int] = field(default_factory=list)


@contextmanager
def _signals(wake: Wake) -> Iterator[_Signals]:
    """The signals that arrived so far, in the main thread; anywhere else none ever arrives."""
    arrived = _Signals()
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return

    def flag(number: int, frame: FrameType | None) -> None:
        (arrived.reloads if number == signal.SIGHUP else arrived.stops).append(number)
        wake.set()

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, flag) for number in numbers}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
