"""Takes a summariser's words without looking at them."""

from phenostream.daemon.wire.control import Summariser, SummaryText
from phenostream.engine.errors import BadInput


class ToyNarration:
    """Refuses every text of an offset that is odd."""

    def __init__(self) -> None:
        self.taken: list[SummaryText] = []
        self.heard: list[Summariser] = []

    def take(self, request: SummaryText) -> None:
        """Keep a text."""
        if request.of_offset % 2:
            raise BadInput(f"summary_text: of_offset {request.of_offset}: odd")
        self.taken.append(request)

    def hear(self, request: Summariser) -> None:
        """Keep a word about the summariser."""
        self.heard.append(request)
