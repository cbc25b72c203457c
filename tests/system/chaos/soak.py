"""Promise 11: however long it runs, memory, descriptors and threads stay.

The soak of `phenostream bench soak`. Memory is judged at its full size alone: before that it is still warming up.
"""

from typing import Final

from phenostream.deploy.bench.soak import measure_soak, small_microscope
from phenostream.deploy.bundles import bundle_path
from tests.system.chaos.promise import Outcome, Setting

FULL_SIZE: Final = 150_000


def run(setting: Setting) -> Outcome:
    """Stream small frames and look at the daemon meanwhile."""
    frames, bundle = setting.of(2000, 4000, FULL_SIZE), str(bundle_path("demo").resolve())
    soak = measure_soak(bundle, small_microscope(), setting.folder, frames=frames)
    outcome = Outcome()
    outcome.done["frames"] = frames
    outcome.found = {
        "descriptors_gained": soak.descriptors[1] - soak.descriptors[0],
        "threads_gained": soak.threads[1] - soak.threads[0],
        "mib_per_10000_frames": soak.slope_mib,
    }
    for breach in soak.breaches:
        if frames >= FULL_SIZE or not breach.startswith("memory"):
            outcome.breaches.append(breach)
    if frames < FULL_SIZE:
        outcome.remarks.append(f"memory is judged from {FULL_SIZE:,} frames on (make nightly)")
    return outcome
