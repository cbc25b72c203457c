"""Promise 12: what runs under the hardened unit can do nothing but its work; asked of a real systemd.

A probe runs in the place of the daemon, in the unit's own sandbox, in a container that boots systemd. What gets through
nowhere shows nothing, so the same probe runs outside of the sandbox too. `make service-test` does this and much more.
"""

from tests.system.chaos.promise import Outcome, Setting
from tests.system.service.box import installed_box
from tests.system.service.container import lacking
from tests.system.service.sandbox import inside, leaks, outside, unmet


def run(setting: Setting) -> Outcome:
    """Probe the sandbox."""
    outcome = Outcome()
    outcome.not_run = (
        "a small round leaves it to make service-test" if setting.size == "small" else lacking()
    )
    if outcome.not_run is not None:
        return outcome
    with installed_box() as box:
        free, caught = outside(box), inside(box.daemon)
    outcome.done["probes"] = len(caught.denied)
    outcome.done["of_which_shown_to_work_outside"] = sum(one == "through" for one in free.values())
    through = leaks(caught.denied)
    outcome.found["got_through"] = len(through)
    for name in through:
        outcome.expect(False, f"{name}: {caught.denied[name]}")
    for name in unmet(caught.allowed):
        outcome.expect(False, f"{name}: {caught.allowed[name]}: the daemon needs it")
    return outcome
