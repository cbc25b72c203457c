"""What the monitor knows of box and configuration without asking the daemon: it can warn while that is down."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Space(NamedTuple):
    """Bytes of the file system that holds a folder."""

    free: int
    size: int


@dataclass(frozen=True, slots=True)
class Site:
    """Of one daemon.

    Attributes:
        folders: By what they are for, such as ``journal``; they need not be there.
        words_wanted: Whether a language model is configured to word summaries.
        served: Answers that were given so far, by status code; see `Server`.
    """

    folders: Mapping[str, Path] = field(default_factory=dict)
    words_wanted: bool = False
    served: Mapping[str, int] = field(default_factory=dict)

    def space(self) -> dict[str, Space]:
        """Of every folder that can be looked at from here."""
        found = {}
        for name, folder in self.folders.items():
            try:
                told = os.statvfs(folder)
            except OSError:
                continue  # not made yet, or hidden from this process: then nobody can say
            found[name] = Space(told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize)
        return found
