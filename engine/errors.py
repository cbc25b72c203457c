"""The error tree: whose fault it is decides which branch.

``BadInput`` is theirs (a frame, a file, a config, a bundle that breaks its contract): say what, where and the
allowed range, quarantine or refuse, and go on. ``EngineFault`` is ours or the box's (a backend that failed): retry,
fall back or report ``degraded``. Commands turn the first into exit code 2 and the second into exit code 1.
"""


class PhenostreamError(Exception):
    """Anything phenostream raises on purpose; its text is one line for a person."""


class BadInput(PhenostreamError):
    """Input that breaks its contract; nothing of ours is broken."""


class BadFrame(BadInput):
    """A frame that cannot be decoded or breaks what its START announced."""


class BadMessage(BadInput):
    """A wire message that is not of the closed schema, or too large."""


class BadBundle(BadInput):
    """A model bundle that is incomplete, altered, or does not give its golden outputs."""


class BadConfig(BadInput):
    """A configuration or command line with an unknown key or an impossible value."""


class BadLanguageModel(BadInput):
    """A language model's file that is damaged, altered, or not fit to word a summary."""


class BadRecording(BadInput):
    """A recording or journal that is cut short, altered or of an unknown version."""


class MissingPackage(PhenostreamError):
    """An optional package is not installed; the text names the extra that brings it."""


class EngineFault(PhenostreamError):
    """A backend failed, stalled or returned values that are not finite."""
