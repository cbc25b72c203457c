"""All promises, by hand and in order; docs/promises.md says exactly what each means."""

from typing import Final

from tests.system.chaos import (
    absent,
    accounts,
    backend_faults,
    drains,
    hostile,
    kills,
    power_cut,
    resources,
    sandboxed,
    soak,
    stopped,
    wrong_bundle,
)
from tests.system.chaos.promise import Promise

PROMISES: Final = (
    Promise(1, "kill -9 and power cuts lose no acknowledged frame and double none", kills.run),
    Promise(2, "the journal outlives a power cut under a real kernel", power_cut.run),
    Promise(3, "every frame is accounted for, to the unit", accounts.run),
    Promise(4, "a subscriber that was away, stopped or killed is given everything", absent.run),
    Promise(5, "a stopped subscriber costs no more memory than its budget", stopped.run),
    Promise(6, "strangers and garbage change nothing for an honest source", hostile.run),
    Promise(7, "SIGTERM drains; the next daemon goes on where it ended", drains.run),
    Promise(8, "a failing backend is seen and survived", backend_faults.run),
    Promise(9, "a wrong bundle is refused before a runtime sees it", wrong_bundle.run),
    Promise(10, "a full disk, jumping clocks, missing descriptors: no wrong data", resources.run),
    Promise(11, "memory, descriptors and threads stay", soak.run),
    Promise(12, "the sandbox lets nothing out", sandboxed.run),
)
