"""Sixteen microscopes at once, each a process: lossless, pushed and published, with repeats, gaps, swaps, a death.

No two have the same camera, so that every run needs optics of its own. Every ledger must be exact to the frame.
"""

import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.client import Control, Subscriber
from phenostream.daemon.wire.ingest import Start

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

SCRIPT = Path(__file__).with_name("microscope_process.py")
FRAMES = 24
FATES = ("published", "dropped", "quarantined", "failed")
SOURCES = """
[limits]
max_cells_per_frame = 50
[[sources]]
name = "pushed"
socket = "pull"
endpoint = "ipc://pushed"
[[sources]]
name = "mute"
socket = "pull"
endpoint = "ipc://mute"
idle_end_s = 4.0
[[sources]]
name = "heard"
socket = "sub"
endpoint = "ipc://heard"
receive_budget_bytes = 1073741824
max_frame_bytes = 1048576
"""


@dataclass
class Microscope:
    """One process and what it is going to send.

    Attributes:
        numbers: In the order of sending.
        n_frames: What END says; None: there is none.
    """

    way: str
    start: Start
    numbers: list[int]
    n_frames: int | None = FRAMES
    process: "subprocess.Popen[str]" = field(init=False)

    def begin(self, ready: dict[str, Any], pause_s: float) -> None:
        port = {"push": "pushed" if self.n_frames else "mute", "pub": "heard"}.get(self.way)
        plan = {
            "way": self.way,
            "url": ready["sources"][port] if port else ready["ingest"],
            "start": self.start.model_dump(mode="json"),
            "numbers": self.numbers,
            "n_frames": self.n_frames,
            "pause_s": pause_s,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(plan))
        self.process.stdin.close()
        self.process.stdin = None

    def finish(self) -> dict[str, int]:
        out, err = self.process.communicate(timeout=100)
        assert self.process.returncode == 0, err
        told: dict[str, int] = json.loads(out)
        return told

    @property
    def repeats(self) -> int:
        return len(self.numbers) - len(set(self.numbers))


def mixed_up(chance: random.Random) -> list[int]:
    """Some numbers left out, some twice, neighbours swapped."""
    numbers = [seq for seq in range(FRAMES) if chance.random() > 0.15]
    for _ in range(3):
        numbers.insert(chance.randrange(len(numbers)), chance.choice(numbers))
    for place in range(0, len(numbers) - 1, 4):
        numbers[place], numbers[place + 1] = numbers[place + 1], numbers[place]
    return numbers


def sixteen(make: Callable[..., Start], chance: random.Random) -> list[Microscope]:
    """Six lossless, five pushed (one without END), five published; sizes, pixel sizes and dtypes of their own."""
    made = []
    for number in range(16):
        way = ("lossless", "push", "pub")[number % 3]
        u16 = number % 2 == 1
        start = make(
            instrument=f"scope-{number}",
            pixel_size_um=0.3 + 0.02 * number,
            dtype="u16" if u16 else "u8",
            bit_depth=12 if u16 else 8,
            white_level=4095.0 if u16 else 255.0,
            height=256 if number % 4 else 192,
            width=256,
        )
        numbers = list(range(FRAMES)) if way == "lossless" else mixed_up(chance)
        made.append(Microscope(way, start, numbers))
    made[1].n_frames = None
    return made


def ended(daemon: Any, runs: set[str]) -> tuple[dict[str, dict[str, Any]], dict[str, Counter[int]]]:
    """The run_ended records, and how often each frame of each run has a result."""
    ends: dict[str, dict[str, Any]] = {}
    fates: dict[str, Counter[int]] = {run: Counter() for run in runs}
    url, control = daemon.ready["results"], daemon.ready["control"]
    with Subscriber(url, control, 0, silence_timeout_s=30.0) as records:
        for record in records:
            run = record.facts["run"]
            if record.topic == "result":
                fates[run][record.facts["frame_seq"]] += 1
            elif record.facts.get("event") == "run_ended":
                assert run not in ends
                ends[run] = record.facts
                if set(ends) == runs:
                    return ends, fates
    raise AssertionError("no end")


def test_sixteen_runs_at_once_have_exact_ledgers(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start]
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    on_tcp = re.sub(
        "ipc://[a-z]+", "tcp://127.0.0.1:*", SOURCES
    )  # what was sent is read, also after a close
    daemon = make_daemon(on_tcp)
    daemon.start()
    microscopes = sixteen(small_start, random.Random(seed))  # noqa: S311 - a plan, no secret
    for microscope in microscopes:
        microscope.begin(daemon.ready, 0.01)
    told = {microscope.start.run: microscope.finish() for microscope in microscopes}
    ends, fates = ended(daemon, set(told))

    for microscope in microscopes:
        start, numbers = microscope.start, set(microscope.numbers)
        end, ledger = ends[start.run], ends[start.run]["ledger"]
        announced = FRAMES if microscope.n_frames else max(numbers) + 1
        assert set(fates[start.run]) == numbers, (seed, start.instrument)
        assert set(fates[start.run].values()) == {1}, (seed, start.instrument)
        assert ledger["received"] == sum(ledger[fate] for fate in FATES) == len(numbers), seed
        assert ledger["in_flight"] == 0
        assert ledger["announced"] == announced, (seed, ledger)
        assert ledger["missing"] == announced - len(numbers), (seed, ledger)
        assert ledger["gaps"] == max(numbers) + 1 - len(numbers), (seed, ledger)
        assert ledger["duplicates"] == microscope.repeats, (seed, ledger)
        assert end["mode"] == ("lossless" if microscope.way == "lossless" else "best-effort")
        assert end["ended_by"] == ("source" if microscope.n_frames else "timeout")
        assert told[start.run] in ({}, ledger)

    with Control(daemon.ready["control"]) as control:
        status = control.status()
    total = status["ledger"]["total"]
    for key in ("received", "published", "missing", "gaps", "duplicates", "cells_found"):
        assert total[key] == sum(end["ledger"][key] for end in ends.values()), (seed, key)
    assert total["malformed"] == total["late"] == total["refused"] == total["unstarted"] == 0
    for source in status["sources"].values():
        parts = ("starts", "frames", "ends", "unstarted", "refused", "malformed")
        assert source["messages"] == sum(source[part] for part in parts), seed


def test_a_daemon_killed_amid_many_runs_loses_nothing_lossless_and_miscounts_nothing(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start]
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    daemon = make_daemon(SOURCES)
    daemon.start()
    microscopes = sixteen(small_start, random.Random(seed))[:6]  # noqa: S311 - a plan, no secret
    dies = microscopes[1]  # a pushed one, which says no END
    dies.numbers = list(range(5000))
    for microscope in microscopes:
        if microscope.way != "lossless" and microscope is not dies:  # outlives the daemon's absence
            microscope.numbers += range(FRAMES, FRAMES + 400)
            microscope.n_frames = FRAMES + 400
        microscope.begin(daemon.ready, 0.01)
    with Control(daemon.ready["control"]) as control:
        while control.status()["ledger"]["total"]["published"] < 30:
            pass
    daemon.kill()
    daemon.start()
    for microscope in microscopes:
        if microscope is not dies:
            microscope.finish()
    dies.process.kill()
    dies.process.communicate()
    ends, fates = ended(daemon, {microscope.start.run for microscope in microscopes})

    for microscope in microscopes:
        start, ledger = microscope.start, ends[microscope.start.run]["ledger"]
        seen = set(fates[start.run])
        assert set(fates[start.run].values()) == {1}, (seed, start.instrument)
        assert seen <= set(microscope.numbers), (seed, start.instrument)
        assert ledger["received"] == sum(ledger[fate] for fate in FATES) == len(seen), seed
        assert ledger["missing"] == ledger["announced"] - len(seen), (seed, ledger)
        assert ledger["gaps"] == max(seen) + 1 - len(seen), (seed, ledger)
        if microscope.way == "lossless":
            assert seen == set(microscope.numbers), (seed, start.instrument)
        assert ends[start.run]["ended_by"] == ("timeout" if microscope is dies else "source")
