"""Saying at every start what speaks plain, so that nobody finds it out later."""

import logging

from phenostream.daemon.config import Config
from phenostream.daemon.endpoint import is_local

logger = logging.getLogger(__name__)


def say_what_is_plain(config: Config) -> None:
    """One warning a plain tcp endpoint."""
    for section, url in config.endpoints():
        if config.is_plain(section, url):
            where = "every user of this box" if is_local(url) else "whoever reaches it, unencrypted"
            logger.warning("%s is PLAIN at %s: open to %s", section, url, where)
