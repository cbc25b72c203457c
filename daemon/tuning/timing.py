"""How long a backend takes: cells per second with every stream busy, and the time of a lone cell.

Nothing but `Backend.infer` is timed: no sockets, no cropping, no journal.
"""

import threading
import time

import numpy as np

from phenostream.engine.backends.protocol import Backend
from phenostream.engine.types import CROP_PX, F32


def time_backend(backend: Backend, streams: int, batch: int, seconds: float) -> tuple[float, float]:
    """Cells per second of wall time and CPU seconds per cell, `streams` callers at once.

    Raises:
        EngineFault: A call failed; the other callers have ended then too.
    """
    images, background = some_crops(batch)
    backend.infer(images, background)
    done = [0] * streams
    failures: list[BaseException] = []
    gate = threading.Barrier(streams + 1)
    stop = threading.Event()

    def work(which: int) -> None:
        gate.wait()
        try:
            while not stop.is_set():
                backend.infer(images, background)
                done[which] += batch
        except BaseException as err:  # handed to the owner of the thread, below
            failures.append(err)
            stop.set()

    callers = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(streams)]
    for caller in callers:
        caller.start()
    gate.wait()
    wall, cpu = time.perf_counter(), time.process_time()
    stop.wait(seconds)
    stop.set()
    for caller in callers:
        caller.join()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if failures:
        raise failures[0]
    return sum(done) / wall, cpu / max(sum(done), 1)


def time_one_cell(backend: Backend, calls: int) -> list[float]:
    """Wall time of single calls with one crop, ms, one caller and nothing else running.

    Raises:
        EngineFault: A call failed.
    """
    images, background = some_crops(1)
    backend.infer(images, background)
    times_ms = []
    for _ in range(calls):
        began = time.perf_counter()
        backend.infer(images, background)
        times_ms.append((time.perf_counter() - began) * 1e3)
    return times_ms


def some_crops(n: int) -> tuple[F32, F32]:
    """Crops of plausible brightness; the engine's time does not depend on what they show."""
    random = np.random.default_rng(0)
    images = random.normal(0.36, 0.02, (n, 4, CROP_PX, CROP_PX)).astype(np.float32)
    return images, np.full((n, 4), 0.36, np.float32)
