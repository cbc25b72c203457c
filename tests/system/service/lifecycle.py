"""Checks of a service's life: ready, streaming, killed, hung, reloaded, drained, crashing, refused."""

import time
from collections.abc import Callable
from typing import Final

from tests.system.service.box import SHORT_WATCHDOG_S, Box
from tests.system.service.check import Check, Lap, within
from tests.system.service.microscope import PYTHON, TESTS, Microscope, refusal
from tests.system.service.unit import Unit

READY_S: Final = 3.0
SERVING_S: Final = 3.0
WATCHDOG_SLACK_S: Final = 1.0
_FRAMES: Final = 40
_LONG_S: Final = 60.0
_MOOD: Final = "/var/lib/phenostream/mood"
_BREAKABLE: Final = f"""[Service]
Environment=PYTHONPATH={TESTS}
ExecStart=
ExecStart={PYTHON} -m tests.system.breakable_daemon openvino {_MOOD} run --config /etc/phenostream/config.toml
"""
_CRASHING: Final = """[Service]
ExecStart=
ExecStart=/bin/sh -c 'kill -KILL $$$$'
"""


def _ready(box: Box) -> str:
    def restarted() -> Lap:
        box.daemon.must("stop")
        began_s = time.monotonic()
        box.daemon.must("start")
        return Lap(time.monotonic() - began_s, box.daemon.waited_s())

    said = within(READY_S, restarted)
    status = box.daemon.fact("StatusText")
    assert status, "no STATUS= line was told"
    return f"{said}, with a cached engine; it says {status!r}"


def _streams(box: Box) -> str:
    scope = box.microscope()
    scope.wait_for(_FRAMES)
    sent = scope.finish()["received"]
    return f"{sent} of {sent} frames of a member of the group published, none missing"


def _strangers(box: Box) -> str:
    member = box.microscope()
    member.wait_for(1)  # so the daemon is there, and whoever does not reach it is kept out
    try:
        told = refusal(box.machine, "ipc:///run/phenostream/ingest", "stranger")
    finally:
        member.finish()
    assert "is closed to this user" in told, f"the reason is another one: {told}"
    return f"a user outside the group is told: {told}"


def _killed(box: Box) -> str:
    scope = box.microscope()
    scope.wait_for(_FRAMES)

    def killed() -> Lap:
        pid = box.daemon.pid
        at_s = box.daemon.kill("KILL")
        active_s = box.daemon.until_active_again(pid, _LONG_S)
        return Lap(scope.wait_for_one_after(active_s) - at_s, box.daemon.waited_s())

    said = within(SERVING_S, killed)
    ledger = scope.finish()
    return f"next frame acknowledged after {said}; {ledger['received']} frames, none missing"


def _stopped(box: Box) -> str:
    assert box.watchdog_s, "the installed unit has no WatchdogSec"
    return _caught(box, lambda: box.daemon.kill("STOP"), "SIGSTOP")


def _hung(box: Box) -> str:
    assert box.watchdog_s, "the installed unit has no WatchdogSec"

    def hang() -> float:
        hung.append(box.microscope(pause_s=0.02))  # it starts while the daemon does
        box.configure(model="call_timeout_s = 3600.0")  # or another backend would take over
        _set_mood(box, "well")
        with box.daemon.overridden(_BREAKABLE):
            box.daemon.fresh()
        box.configure()  # of the daemon that takes its place, which is the installed one again
        hung[-1].wait_for_one_after(time.monotonic())
        return _set_mood(box, "hang")

    hung: list[Microscope] = []
    try:
        said = _caught(box, hang, "a call of the engine that never returns")
    finally:
        box.configure()
    for scope in hung:
        scope.finish()
    return said


def _set_mood(box: Box, mood: str) -> float:
    """Of the breakable backend, from its next call on; when it was in place, monotonic seconds."""
    script = f"printf %s {mood} >{_MOOD}.new && chmod 0644 {_MOOD}.new && mv {_MOOD}.new {_MOOD}"
    box.machine.must("sh", "-c", script)
    return time.monotonic()


def _caught(box: Box, cause: Callable[[], float], what: str) -> str:
    """Do harm, and wait until the watchdog has noticed and the daemon serves again."""

    def caught() -> Lap:
        box.daemon.tell("reset-failed")  # systemd counts starts, and ours are many
        at_s, pid = cause(), box.daemon.pid
        seen_s, _ = box.daemon.until_said("Watchdog timeout", _LONG_S, at_s)
        served.append(box.daemon.until_active_again(pid, _LONG_S) - at_s)
        return Lap(seen_s - at_s)

    served: list[float] = []
    said = within(SHORT_WATCHDOG_S + WATCHDOG_SLACK_S, caught)
    return (
        f"{what}: noticed after {said} with WatchdogSec={SHORT_WATCHDOG_S}, ready again after "
        f"{served[-1]:.2f} s; the unit itself says {box.watchdog_s:g} s"
    )


def _reloads(box: Box) -> str:
    pid = box.daemon.pid
    began_s = time.monotonic()
    box.daemon.must("reload")
    seconds = time.monotonic() - began_s
    after = box.daemon.until(lambda now: now["SubState"] == "running", _LONG_S, "running")
    assert after["MainPID"] == str(pid), f"process {pid} became {after['MainPID']}"
    return f"{seconds:.2f} s, process {pid} before and after"


def _drains(box: Box) -> str:
    scope = box.microscope()
    scope.wait_for(_FRAMES)
    began_s = time.monotonic()
    box.daemon.must("stop")
    seconds = time.monotonic() - began_s
    facts = box.daemon.facts("Result", "ExecMainStatus", "ActiveState")
    assert facts == {"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive"}, facts
    _, record = box.daemon.until_said("every received frame has its fate", _LONG_S, began_s)
    box.daemon.must("start")
    ledger = scope.finish()  # it went on with the next daemon
    told = record["MESSAGE"].split("; ", 1)[-1]
    return f"{seconds:.2f} s, exit code 0; {told}; afterwards {ledger['received']}, none missing"


def _crashes(box: Box) -> str:
    hooks = box.daemon.fact("OnFailure").split()
    assert hooks, "the installed unit has no OnFailure="
    box.daemon.must("stop")
    box.daemon.tell("reset-failed")
    with box.daemon.overridden(_CRASHING):
        began_s = time.monotonic()
        box.daemon.tell("start")
        facts = box.daemon.until(
            lambda now: now["ActiveState"] == "failed", _LONG_S, "failed for good"
        )
        seconds = time.monotonic() - began_s
        for name in hooks:
            Unit(box.machine, name).until_said("phenostream", _LONG_S, began_s)
    return (
        f"given up after {facts['NRestarts']} restarts in {seconds:.1f} s; {', '.join(hooks)} ran"
    )


def _refuses(box: Box) -> str:
    box.daemon.must("stop")
    box.machine.write("/etc/phenostream/config.toml", "[ingest]\nendpoit = 1\n")
    began_s = time.monotonic()
    try:
        box.daemon.tell("start")
        facts = box.daemon.until(
            lambda now: now["ActiveState"] == "failed", _LONG_S, "failed", "ExecMainStatus"
        )
        assert facts["ExecMainStatus"] == "2", f"exit code {facts['ExecMainStatus']}, expected 2"
        assert facts["NRestarts"] == "0", f"{facts['NRestarts']} restarts, expected none"
        _, record = box.daemon.until_said("unknown key", _LONG_S, began_s)
        return f"exit code 2, not started again; {record['MESSAGE']}"
    finally:
        box.configure()


CHECKS: Final = (
    Check("streams", "a microscope's frames over ipc, to an exact account", _streams),
    Check("strangers", "who is not in the group does not come in", _strangers),
    Check("killed", f"kill -9: serves again within {SERVING_S:g} s, nothing is lost", _killed),
    Check("stopped", "SIGSTOP: the watchdog notices within WatchdogSec + 1 s", _stopped),
    Check("hung", "a hang of inference: the watchdog notices within WatchdogSec + 1 s", _hung),
    Check("reloads", "systemctl reload keeps the process", _reloads),
    Check("drains", "systemctl stop: every received frame has its fate, exit code 0", _drains),
    Check("crashes", "a crash loop ends, and OnFailure runs", _crashes, starts=True),
    Check("refuses", "a refused configuration is not tried again", _refuses, starts=True),
)
READY: Final = Check("ready", f"READY within {READY_S:g} s of systemctl start", _ready, starts=True)
"""After those that leave it stopped."""
