"""Where a subscriber stands in the journal: what to deliver, what to drop as seen, what to fetch as missing.

Pure: knows offsets and nothing of sockets. A subscriber feeds it every offset it sees.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Order:
    """The place of a subscriber.

    Attributes:
        next: Offset of the record to deliver next; None until the first sign of where the journal stands.
        seen: Highest offset known to exist; None until something was heard.
    """

    next: int | None = None
    seen: int | None = None

    def missing_before(self, offset: int) -> tuple[int, int] | None:
        """The range (first, last) that must come before `offset`; None when nothing is missing."""
        if self.next is None or offset <= self.next:
            return None
        return self.next, offset - 1

    def accept(self, offset: int) -> bool:
        """Whether the record is new; it then counts as delivered."""
        self.seen = offset if self.seen is None else max(self.seen, offset)
        if self.next is not None and offset < self.next:
            return False
        self.next = offset + 1
        return True

    def skip_to(self, offset: int) -> None:
        """Give up everything before `offset`."""
        self.next = offset if self.next is None else max(self.next, offset)

    def missing_up_to(self, newest: int | None) -> tuple[int, int] | None:
        """The range a high-water mark shows to be missing; the first mark only says where the journal stands."""
        end = 0
        if newest is not None:
            self.seen = newest if self.seen is None else max(self.seen, newest)
            end = newest + 1
        if self.next is None:
            self.next = end
        return self.missing_before(end)

    def is_ahead_of(self, newest: int | None) -> bool:
        """Whether the journal ends before what was seen of it: it is another one."""
        return self.seen is not None and (newest is None or newest < self.seen)
