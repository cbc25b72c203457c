"""What the spread between frames costs the commit thread: `python -m tests.engine.summary.measure_spread`.

CPU time, the least of some rounds: to count a frame and to compare two windows, of which so much for the spread.
"""

from collections.abc import Callable
from time import process_time

import numpy as np

from phenostream.engine.summary.comparing import Baseline, with_comparisons
from phenostream.engine.summary.histogram import steps
from phenostream.engine.summary.spread import UNUSUAL_ROW, Spread, spread_test
from phenostream.engine.summary.window import Tally, WindowStatistics
from tests.engine.summary.false_alarms import CONTEXT, Sample, columns, window


def cpu_s(work: Callable[[], object], times: int, rounds: int = 9) -> float:
    """Of one call, the least of some rounds of so many."""
    least = float("inf")
    for _ in range(rounds):
        began = process_time()
        for _ in range(times):
            work()
        least = min(least, (process_time() - began) / times)
    return least


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    for cells in (50, 200):
        sample = Sample(0.05, 0.1, 100, cells)
        frame, statistics, spread = columns(sample, rng)[0], WindowStatistics(CONTEXT), Spread(3, 4)
        kind, step = frame["class"].astype(np.int64), steps(frame["marker_z"])
        count = np.bincount(kind, minlength=3)
        counting = cpu_s(lambda: statistics.add(frame), 200)  # noqa: B023
        of_which = cpu_s(lambda: spread.add(count, 0, 3, (kind, step)), 200)  # noqa: B023
        now, before = window(sample, rng), window(sample, rng)
        facts, baseline = now.facts(), [Baseline("previous", before)]
        comparing = cpu_s(lambda: with_comparisons(facts, now, baseline), 10)  # noqa: B023
        judging = cpu_s(lambda: judged(before.tally, now.tally), 10)  # noqa: B023
        print(  # noqa: T201
            f"frame of {cells} cells: {counting * 1e6:.0f} us to count, {of_which * 1e6:.0f} us of it the spread; "
            f"window: {comparing * 1e3:.2f} ms to compare, {judging * 1e3:.2f} ms of it the spread"
        )


def judged(before: Tally, now: Tally) -> list[float]:
    """All tests against the spread of one comparison."""
    sides = [(one, int(one.count.sum())) for one in (before, now)]
    told = [
        spread_test(
            *(one.spread.share(k, int(one.count[k]), total) for one, total in sides), up=True
        )
        for k in range(3)
    ]
    told.append(
        spread_test(
            *(one.spread.share(UNUSUAL_ROW, one.unusual, total) for one, total in sides), up=True
        )
    )
    for k, m in np.ndindex(now.z.shape[:2]):
        told.append(
            spread_test(*(one.spread.marker(k, m, one.z[k, m]) for one, _ in sides), up=True)
        )
    return told


if __name__ == "__main__":
    main()
