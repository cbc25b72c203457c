"""What the monitor knows without asking the daemon."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Site:
    """Of one daemon.

    Attributes:
        words_wanted: Whether a language model is configured to word summaries.
        served: Answers that were given so far, by status code; see `Server`.
        spans: Of traces, by whether the collector took them; empty where none are made.
    """

    words_wanted: bool = False
    served: Mapping[str, int] = field(default_factory=dict)
    spans: Mapping[str, int] = field(default_factory=dict)
