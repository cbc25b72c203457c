"""Frames that were taken anew under a number that is used: a source that restarted and goes on with its old run.

A frame that is sent again carries the time it carried before; one that was taken again carries another. The source's
clock is read for nothing else: it may jump by years without a consequence.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Retakes:
    """What is remembered of one run's source times, since this process began.

    Attributes:
        first: (frame_seq, illumination of a shot, source_utc_ns) of the frame or shot that came first.
        newest_utc_ns: The highest source time of a frame or shot.
        highest_seq: The highest number of a frame or shot; a used number above it was used in an earlier process, and a
            late shot of it is the rest of its frame.
        going_on: The frames that come now are retaken ones.
    """

    first: tuple[int, str | None, int] | None = None
    newest_utc_ns: int = 0
    highest_seq: int = 0
    going_on: bool = False

    def received(self, frame_seq: int, source_utc_ns: int, shot: str | None = None) -> None:
        """A new number came, or a shot that its frame waited for."""
        if self.first is None:
            self.first = (frame_seq, shot, source_utc_ns)
        self.newest_utc_ns = max(self.newest_utc_ns, source_utc_ns)
        self.highest_seq = max(self.highest_seq, frame_seq)
        self.going_on = False

    def begins(self, frame_seq: int, source_utc_ns: int, shot: str | None = None) -> bool:
        """A used number came: whether it is the first of a series of retaken frames."""
        if self.first is None:
            return False
        *named, utc_ns = self.first
        again = [frame_seq, shot] == named and source_utc_ns != utc_ns
        if again:
            self.first = (frame_seq, shot, source_utc_ns)
        # A number above the highest that came has its fate from an earlier process: nobody knows when it was taken.
        known_to = self.highest_seq if shot is None else self.highest_seq - 1
        newer = source_utc_ns > self.newest_utc_ns and frame_seq <= known_to
        begins = again or (newer and not self.going_on)
        self.going_on |= begins
        return begins
