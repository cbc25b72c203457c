"""What can go wrong between a client and a daemon, beyond a message that breaks the contract."""

from phenostream.engine.errors import PhenostreamError


class Unreachable(PhenostreamError):
    """Nothing answers at the address, or the peer fell silent for longer than was allowed."""


class TimedOut(PhenostreamError):
    """The daemon is there but did not take or settle something within the time the caller gave."""


class Cancelled(PhenostreamError):
    """The caller's cancel event was set while a call was waiting."""


class Rejected(PhenostreamError):
    """The daemon does not take our connection: keys that do not fit, or none; the text says what to do."""


class Refusal(PhenostreamError):
    """The daemon refused a message; the text is its reason."""


class Incomplete(PhenostreamError):
    """A run ended and not every frame sent has a fate; the text says how many and which are missing."""


class JournalReplaced(PhenostreamError):
    """The daemon's offsets went back: its journal is not the one this subscriber was reading."""
