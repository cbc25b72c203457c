"""What a source has handed over and not seen settled: the frames to send again after a loss, under the credit."""

from collections import OrderedDict
from dataclasses import dataclass, field

from phenostream.daemon.sequences import SequenceSet


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One encoded frame: `header`, and the bytes it describes, not copied."""

    frame_seq: int
    header: bytes
    data: memoryview


@dataclass(slots=True)
class InFlight:
    """Unacknowledged frames of one run, in the order they were first handed over.

    The rule of the credit: the bytes sent on the present connection and not acknowledged never exceed `credit_bytes`,
    except that one frame alone is always allowed.

    Attributes:
        floor: Frames below this number had their fate before this sender began.
    """

    credit_bytes: int = 0
    floor: int = 0
    sent_bytes: int = 0
    _numbers: SequenceSet = field(default_factory=SequenceSet)
    _frames: "OrderedDict[int, Outgoing]" = field(default_factory=OrderedDict)
    _unsent: "OrderedDict[int, Outgoing]" = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def n_known(self) -> int:
        """Distinct frames of the run, those before this sender included."""
        return self.floor + len(self._numbers)

    @property
    def end(self) -> int:
        """Highest frame number so far plus one."""
        return max(self.floor, self._numbers.end)

    def has_used(self, frame_seq: int) -> bool:
        """Whether this number was handed over before."""
        return frame_seq < self.floor or frame_seq in self._numbers

    def has_room(self, n_bytes: int) -> bool:
        """Whether a new frame of `n_bytes` would go out at once."""
        return not self._unsent and self._allows(n_bytes)

    def add(self, frame: Outgoing) -> None:
        """Take a frame whose number was not used."""
        self._numbers.add(frame.frame_seq)
        self._frames[frame.frame_seq] = self._unsent[frame.frame_seq] = frame

    def next(self) -> Outgoing | None:
        """The frame to send now, if the credit lets one go; it counts as sent."""
        if not self._unsent:
            return None
        frame = next(iter(self._unsent.values()))
        if not self._allows(len(frame.data)):
            return None
        del self._unsent[frame.frame_seq]
        self.sent_bytes += len(frame.data)
        return frame

    def settle(self, frame_seq: int) -> bool:
        """Forget a frame that has its fate; False when it was not in flight."""
        frame = self._frames.pop(frame_seq, None)
        if frame is not None and self._unsent.pop(frame_seq, None) is None:
            self.sent_bytes -= len(frame.data)
        return frame is not None

    def settle_up_to(self, frame_seq: int | None) -> int:
        """Forget every frame up to and with `frame_seq`; how many there were."""
        done = [seq for seq in self._frames if frame_seq is not None and seq <= frame_seq]
        for seq in done:
            self.settle(seq)
        return len(done)

    def take_back(self, frame_seq: int) -> None:
        """A sent frame was not taken for now: it goes out again, in its order."""
        if frame_seq in self._frames and frame_seq not in self._unsent:
            self.sent_bytes -= len(self._frames[frame_seq].data)
            wanted = {frame_seq, *self._unsent}
            self._unsent = OrderedDict((k, v) for k, v in self._frames.items() if k in wanted)

    def rewind(self) -> int:
        """The connection is gone: every frame is unsent again, in order; how many had been sent."""
        n_sent = len(self._frames) - len(self._unsent)
        self._unsent = OrderedDict(self._frames)
        self.sent_bytes = 0
        return n_sent

    def describe(self, limit: int = 5) -> str:
        """The unacknowledged frame numbers, shortened, for an error line."""
        shown = ", ".join(str(seq) for seq in list(self._frames)[:limit]) or "none"
        return shown + (f" and {len(self) - limit} more" if len(self) > limit else "")

    def _allows(self, n_bytes: int) -> bool:
        return self.sent_bytes == 0 or self.sent_bytes + n_bytes <= self.credit_bytes
