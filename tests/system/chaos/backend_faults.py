"""Promise 8: a backend that raises, returns NaN or hangs is seen in every result, and survived.

With nothing to fall back on, frames that were inferred meanwhile are `failed` with a reason, and the daemon recovers by
itself. With the next backend of the table, they are published, and each says who inferred it. `test_degradation` holds
the numbers of both backends against each other.
"""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from phenostream.daemon.client import Control
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.recordings.replay import replay
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.deploy.bundles import bundle_path
from tests.system.breakable_daemon import BreakableDaemon
from tests.system.chaos.promise import Outcome, Setting
from tests.system.daemon_process import ROOT
from tests.system.small_camera import small_frame, small_start

BATCH = 10
"""Frames before, in and after a fault."""
ALONE = 'fallback = "none"\ncall_timeout_s = 0.5\n'
REAL_CELLS = ROOT / "tests" / "data" / "real_quads.phenorec"
LOOKS = 400


def run(setting: Setting) -> Outcome:
    """Break one in each way, then one that has another to fall back on."""
    outcome = Outcome()
    for number in range(setting.of(1, 2, 20)):
        for mood in ("raise", "nan", "hang"):
            folder = setting.folder / f"{mood}{number}"
            folder.mkdir()
            daemon = BreakableDaemon(folder, setting.bundle, ALONE)
            try:
                _break_alone(daemon, mood, outcome)
            finally:
                daemon.kill()
    _fall_back(setting.folder / "fallback", outcome)
    return outcome


def _break_alone(daemon: BreakableDaemon, mood: str, outcome: Outcome) -> None:
    ready, start = daemon.start(), small_start()
    with Sender(ready["ingest"], "scope") as sender, Control(ready["control"]) as control:
        sender.start(start)
        for turn, (temper, fate) in enumerate(
            (("well", "published"), (mood, "failed"), ("well", "published"))
        ):
            daemon.set_mood(temper)
            if turn == 2 and not _becomes(lambda: control.status()["state"] == "ready"):
                outcome.expect(False, f"{mood}: still degraded although the backend is well")
            before = control.status()["ledger"]["total"][fate]
            for seq in range(turn * BATCH, (turn + 1) * BATCH):
                sender.send(seq, small_frame())
            counted = _becomes(partial(_reached, control, fate, before + BATCH))
            outcome.expect(counted, f"{mood}: not {BATCH} frames more are {fate} in turn {turn}")
            if turn == 1:
                degraded = control.status()["state"] == "degraded"
                outcome.expect(degraded, f"{mood}: the status does not say degraded")
        sender.finish()
        results = _results(control)
    outcome.done["faults"] += 1
    outcome.done["frames"] += len(results)
    _expect_one_fate(mood, results, outcome)
    silent = [
        one["frame_seq"] for one in results if one["fate"] == "failed" and not one["degraded"]
    ]
    outcome.expect(not silent, f"{mood}: failed frames that do not say degraded: {silent[:3]}")


def _reached(control: Control, fate: str, count: int) -> bool:
    told: int = control.status()["ledger"]["total"][fate]
    return told == count


def _expect_one_fate(mood: str, results: list[dict[str, Any]], outcome: Outcome) -> None:
    numbers = sorted(one["frame_seq"] for one in results)
    right = numbers == list(range(3 * BATCH))
    outcome.expect(right, f"{mood}: not every frame has one fate: {numbers}")
    outcome.found["frames_without_one_fate"] = outcome.found.get(
        "frames_without_one_fate", 0
    ) + len(set(range(3 * BATCH)) ^ set(numbers))


def _fall_back(folder: Path, outcome: Outcome) -> None:
    """Real cells twice: the second time OpenVINO fails, and ONNX Runtime infers."""
    folder.mkdir()
    daemon = BreakableDaemon(folder, bundle_path("demo"), "", "openvino")
    try:
        ready = daemon.start()
        replay(REAL_CELLS, ready["ingest"])
        daemon.set_mood("raise")
        replay(REAL_CELLS, ready["ingest"])
        with Control(ready["control"]) as control:
            results = _results(control)
    finally:
        daemon.kill()
    outcome.done["fallbacks"] += 1
    outcome.done["frames"] += len(results)
    fates = {one["fate"] for one in results}
    outcome.expect(fates == {"published"}, f"fallback: fates {sorted(fates)}")
    others = [one for one in results[len(results) // 2 :] if one["model"]["backend"] != "openvino"]
    outcome.found["results_that_name_the_fallback"] = len(others)
    outcome.expect(bool(others), "fallback: no result names another backend than openvino")
    outcome.expect(
        all(one["degraded"] for one in others),
        "fallback: a result does not say that it is degraded",
    )


def _results(control: Control) -> list[dict[str, Any]]:
    records: list[Any] = []
    while (batch := control.get(records[-1].offset + 1 if records else 0)).records:
        records += batch.records
    return [unpack_meta(one.payload) for one in records if one.topic == "result"]


def _becomes(true: Callable[[], bool]) -> bool:
    """Ask until it is true, for at most twenty seconds."""
    pause = threading.Event()
    return any(true() or pause.wait(0.05) for _ in range(LOOKS))
