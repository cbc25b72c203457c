"""What the meters cost a daemon at work: `python -m tests.system.measure_meters [PAIRS]`.

Two daemons, one of which counts nothing, are fed small frames in alternating pairs; CPU time a frame of each, and the
ratio of the pairs. Small frames, as what is counted is the same for each frame however large it is.
"""

import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from phenostream.deploy.bench.pipeline import stream_once
from phenostream.deploy.child import PROGRAM, DaemonChild, child_settings
from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope

FRAMES = 150
UNMETERED = (sys.executable, "-m", "tests.system.unmetered_daemon")


def cpu_ms(daemon: DaemonChild, microscope: SimulatedMicroscope) -> float:
    """CPU time a frame."""
    images = [microscope.frame(number) for number in range(4)]
    before = daemon.cpu_s
    stream_once(daemon.ready["ingest"], microscope, images, FRAMES)
    return 1e3 * (daemon.cpu_s - before) / FRAMES


def pairs_of(microscope: SimulatedMicroscope, folder: Path, first: str, pairs: int) -> list[float]:
    """Ratios of metered to unmetered, of two daemons of which `first` was started first."""
    programs = {"metered": PROGRAM, "unmetered": UNMETERED}
    names = [first, *(name for name in programs if name != first)]
    ratios = []
    with ExitStack() as stack:
        daemons = {}
        for name in names:
            child = DaemonChild(folder / f"{first}-{name}", child_settings("demo"), programs[name])
            daemons[name] = stack.enter_context(child)
        for number in range(pairs):
            order = names if number % 2 else names[::-1]
            took = {name: cpu_ms(daemons[name], microscope) for name in order}
            ratios.append(took["metered"] / took["unmetered"])
            print(", ".join(f"{name} {took[name]:.2f} ms a frame" for name in programs))  # noqa: T201
    return ratios


def main() -> None:
    """Print a line a pair, then the medians: the daemon that was started first is often the quicker one by itself."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    with tempfile.TemporaryDirectory(prefix="m") as folder:
        microscope = SimulatedMicroscope(MicroscopeSettings(size_px=256, cells=6), Path(folder))
        for first in ("metered", "unmetered"):
            ratios = pairs_of(microscope, Path(folder), first, pairs)
            print(  # noqa: T201
                f"{first} started first: CPU a frame metered / unmetered {statistics.median(ratios):.3f} "
                f"({min(ratios):.3f} to {max(ratios):.3f})"
            )


if __name__ == "__main__":
    main()
