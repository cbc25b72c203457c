"""What of the box is amiss while the daemon runs: descriptors, the wall clock, and a disk that was full at the start.

Each is a fault that closes by itself; none withholds a frame that can be served.
"""

import logging
from typing import Final

from phenostream.daemon.clock import clock_fault
from phenostream.daemon.config import Config
from phenostream.daemon.descriptors import descriptors_fault
from phenostream.daemon.health import Health
from phenostream.daemon.surroundings import say_what_is_scarce, space_fault

logger = logging.getLogger(__name__)

SPACE: Final = "space"
"""Fault of a daemon that started on a full disk; where it fills up later the fault is ``journal``."""
CLOCK: Final = "clock"
"""Fault while the wall clock cannot be right."""
DESCRIPTORS: Final = "descriptors"


def look_first(config: Config, health: Health) -> None:
    """Before anything is written: whether there is room for it."""
    say_what_is_scarce(config)
    if (full := space_fault(config)) is not None and health.degrade(SPACE, full):
        logger.error("%s", full)


def look_around(config: Config, health: Health) -> None:
    """From time to time, in the main thread."""
    if (few := descriptors_fault()) is None:
        health.recover(DESCRIPTORS)
    elif health.degrade(DESCRIPTORS, few):
        logger.error("%s", few)
    if (wrong := clock_fault()) is None:
        health.recover(CLOCK)
    elif health.degrade(CLOCK, wrong):
        logger.error("%s", wrong)
    if SPACE in health.faults() and space_fault(config) is None:
        health.recover(SPACE)
