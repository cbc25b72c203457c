"""What may go wrong on a box that is ours to set up; what was asked wrongly is `BadConfig`."""

from phenostream.engine.errors import PhenostreamError


class InstallFailed(PhenostreamError):
    """A program of the box failed, or a service did not become ready; the text says what is running now."""
