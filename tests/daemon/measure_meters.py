"""What counting costs the commit thread, and telling the control thread: `python -m tests.daemon.measure_meters`.

CPU time, the least of some rounds: to count a published frame of so many cells, to count a sync, and to tell all.
"""

from collections.abc import Callable
from time import process_time

import numpy as np

from phenostream.daemon.meters import Meters
from phenostream.daemon.pipeline.entries import Arrival, Passage, Prepared
from phenostream.engine.types import CLASSES
from tests.daemon.test_meters import NONE, of_cells
from tests.system.small_camera import small_start


def cpu_us(work: Callable[[], object], times: int = 500, rounds: int = 15) -> float:
    """Of one call, the least of some rounds of so many."""
    least = float("inf")
    for _ in range(rounds):
        began = process_time()
        for _ in range(times):
            work()
        least = min(least, (process_time() - began) / times)
    return 1e6 * least


def main() -> None:
    """Print the figures."""
    rng = np.random.default_rng(0)
    prepared = Prepared(NONE, np.empty(0, np.bool_), 1.0, None, 10.001, 10.004)
    passage = Passage(Arrival(small_start(), 0, 1, 10.0), prepared)
    passage.infer_s, passage.inferred_s = 0.009, 10.020
    meters = Meters(CLASSES)
    for cells in (0, 20, 200):
        end = of_cells([0] * cells, list(rng.integers(0, 3, cells)), list(rng.random(cells) < 0.1))
        took = cpu_us(lambda: meters.committed([(passage, end)], 10.025))  # noqa: B023
        print(f"a frame of {cells} cells: {took:.1f} us to count")  # noqa: T201
    print(f"a sync: {cpu_us(lambda: meters.synced(3, 10_000, 0.004)):.1f} us to count")  # noqa: T201
    print(f"all of it: {cpu_us(meters.told, 50):.0f} us to tell")  # noqa: T201


if __name__ == "__main__":
    main()
