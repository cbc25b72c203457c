"""Other work is what the cores did beside ours; nothing where the kernel does not tell."""

import os
import time
from pathlib import Path

import pytest

from phenostream.daemon.tuning import other_work
from phenostream.daemon.tuning.other_work import OtherWork


class Kernel:
    """A /proc/stat and clocks that a test moves by hand: two cores of ours, a third of somebody else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.stat = folder / "stat"
        self.now_s = self.own_s = 0.0
        self.tell()
        monkeypatch.setattr(other_work, "_STAT", self.stat)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(time, "process_time", lambda: self.own_s)

    def tell(
        self, user_s: float = 0, system_s: float = 0, steal_s: float = 0, idle_s: float = 0
    ) -> None:
        """Seconds of the first core; the third core is always busy."""
        hz = os.sysconf("SC_CLK_TCK")
        first = [
            int(hz * s) for s in (user_s, 0, system_s, idle_s, idle_s, 0, 0, steal_s, user_s, 0)
        ]
        self.stat.write_text(
            f"cpu 9 9 9 9\ncpu0 {' '.join(map(str, first))}\ncpu1 {'0 ' * 10}\n"
            f"cpu2 {int(hz * (self.now_s + 1000))} {'0 ' * 9}\nintr 5\n"
        )


@pytest.mark.parametrize(
    ("told", "own_s", "share"),
    [
        ({"user_s": 4.0}, 4.0, 0.0),
        ({"user_s": 8.0, "idle_s": 50.0}, 3.0, 0.25),
        ({"user_s": 3.0, "system_s": 1.0, "steal_s": 6.0}, 3.0, 0.35),
        ({"user_s": 2.9}, 3.0, 0.0),
    ],
    ids=["all ours", "others too", "the host's too", "a tick of rounding"],
)
def test_the_share_of_our_cores_that_was_not_ours(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    told: dict[str, float],
    own_s: float,
    share: float,
) -> None:
    kernel = Kernel(monkeypatch, tmp_path)
    others = OtherWork()
    kernel.now_s, kernel.own_s = 10.0, own_s
    kernel.tell(**told)
    assert others.share() == pytest.approx(share)


def test_a_kernel_that_does_not_tell_counts_as_quiet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(other_work, "_STAT", tmp_path / "none")
    assert OtherWork().share() == 0.0
