"""No bytes that a stranger may send break header → shape → crop. `make nightly` fuzzes on, with more."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from phenostream.engine.crop import crop_starts
from tests.fuzz import frame_target
from tests.fuzz.frame_target import CUT, OTHER, QUARANTINED, REFUSED, one_input, seeds
from tests.system.small_camera import small_frame

ROOT = Path(__file__).parents[2]
RUNS = 3000


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, doubled, cut out or put in; the length of the header stays right half of the time."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) or 1)
        what = chance.randrange(4)
        if what == 0 and data:
            data[at] = chance.randrange(256)
        elif what == 1:
            data[at:at] = chance.randbytes(chance.randint(1, 9))
        elif what == 2:
            del data[at : at + chance.randint(1, 9)]
        elif data:
            data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


def test_the_seeds_reach_every_end() -> None:
    ends = Counter(one_input(seed) for seed in seeds())
    assert set(ends) == {REFUSED, QUARANTINED, CUT, OTHER}


def test_mutated_messages_end_in_a_refusal_a_reason_or_a_cut() -> None:
    chance, ends = random.Random(4), Counter[str]()  # noqa: S311 - a fixed seed
    found = seeds()
    for _ in range(20_000):
        ends[one_input(mutated(chance.choice(found), chance))] += 1
    assert ends[REFUSED] > 1000
    assert min(ends[QUARANTINED], ends[CUT]) > 50


def test_a_target_that_breaks_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_target, "crop_starts", lambda centres: crop_starts(centres) + 128)
    header = seeds()[0]
    length = 2 + int.from_bytes(header[:2], "big")
    cells = header[:length] + b"\x00" + small_frame().tobytes()
    with pytest.raises(AssertionError, match="a crop leaves the frame"):
        one_input(cells)


def test_guided_by_coverage_nothing_breaks_either(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.fuzz.fuzz_frame", f"-runs={RUNS}", "-seed=4"]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Done {RUNS} runs" in done.stderr
