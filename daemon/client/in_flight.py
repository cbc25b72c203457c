"""What a source has handed over and not seen settled: the frames to send again after a loss, under the credit."""

from collections import OrderedDict
from dataclasses import dataclass, field

from phenostream.daemon.sequences import SequenceSet


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One encoded message: `header`, and the bytes it describes, not copied.

    Attributes:
        claim: Credit that its frame takes; a shot claims it for all shots of its frame.
        shot: Illumination of a single shot; None for a whole frame.
    """

    frame_seq: int
    header: bytes
    data: memoryview
    claim: int
    shot: str | None = None


@dataclass(slots=True)
class _Frame:
    """The messages of a frame so far, and how many of them went out on the present connection."""

    claim: int
    messages: list[Outgoing]
    n_sent: int = 0


@dataclass(slots=True)
class InFlight:
    """Unacknowledged frames of one run, in the order they were first handed over.

    The rule of the credit: what the frames that were begun on the present connection and not acknowledged claim never
    exceeds `credit_bytes`, except that one frame alone is always allowed. A frame claims once, with its first message.

    Attributes:
        floor: Frames below this number had their fate before this sender began.
        shots: How many shots make a frame.
        sent_bytes: Claimed on the present connection.
    """

    credit_bytes: int = 0
    floor: int = 0
    shots: int = 4
    sent_bytes: int = 0
    _numbers: SequenceSet = field(default_factory=SequenceSet)
    _frames: "OrderedDict[int, _Frame]" = field(default_factory=OrderedDict)
    _unsent: "OrderedDict[int, _Frame]" = field(default_factory=OrderedDict)
    _begun: dict[int, set[str]] = field(default_factory=dict)

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
        """Whether this number was handed over before, as a whole or with a shot."""
        return frame_seq < self.floor or frame_seq in self._numbers

    def is_new(self, frame_seq: int, shot: str | None) -> bool:
        """Whether this frame, or this shot of it, was not handed over before."""
        begun = self._begun.get(frame_seq)
        if shot is None or begun is None:
            return not self.has_used(frame_seq)
        return shot not in begun

    def has_room(self, n_bytes: int) -> bool:
        """Whether a new frame that claims `n_bytes` would go out at once."""
        return not self._unsent and self._allows(n_bytes)

    @property
    def lacks_shots(self) -> bool:
        """Whether a frame without a fate still needs shots from the caller, who must not be made to wait then."""
        return any(seq in self._frames for seq in self._begun)

    def add(self, message: Outgoing) -> None:
        """Take a message that is new. A shot of a frame that has its fate meanwhile is forgotten."""
        seq = message.frame_seq
        begins = not self.has_used(seq)
        self._numbers.add(seq)
        if message.shot is not None:
            begun = self._begun.setdefault(seq, set())
            begun.add(message.shot)
            if len(begun) >= self.shots:
                del self._begun[seq]
        if begins:
            self._frames[seq] = _Frame(message.claim, [])
        frame = self._frames.get(seq)
        if frame is not None:
            frame.messages.append(message)
            self._unsent[seq] = frame

    def next(self) -> Outgoing | None:
        """The message to send now, if the credit lets one go; it counts as sent.

        While the first frame waits for credit, no other begins; what was begun goes on.
        """
        may_begin = True
        for seq, frame in self._unsent.items():
            if not frame.n_sent:
                if not may_begin or not self._allows(frame.claim):
                    may_begin = False
                    continue
                self.sent_bytes += frame.claim
            message = frame.messages[frame.n_sent]
            frame.n_sent += 1
            if frame.n_sent == len(frame.messages):
                del self._unsent[seq]
            return message
        return None

    def settle(self, frame_seq: int) -> bool:
        """Forget a frame that has its fate; False when it was not in flight."""
        frame = self._frames.pop(frame_seq, None)
        if frame is None:
            return False
        self._unsent.pop(frame_seq, None)
        self.sent_bytes -= frame.claim if frame.n_sent else 0
        return True

    def settle_up_to(self, frame_seq: int | None) -> int:
        """Forget every frame up to and with `frame_seq`; how many there were."""
        done = [seq for seq in self._frames if frame_seq is not None and seq <= frame_seq]
        for seq in done:
            self.settle(seq)
        return len(done)

    def take_back(self, frame_seq: int) -> None:
        """A frame that was begun was not taken for now: all of it goes out again, in its order."""
        frame = self._frames.get(frame_seq)
        if frame is not None and frame.n_sent:
            self.sent_bytes -= frame.claim
            frame.n_sent = 0
            wanted = {frame_seq, *self._unsent}
            self._unsent = OrderedDict((k, v) for k, v in self._frames.items() if k in wanted)

    def rewind(self) -> int:
        """The connection is gone: every frame is unsent again, in order; how many had been begun."""
        n_sent = sum(frame.n_sent > 0 for frame in self._frames.values())
        for frame in self._frames.values():
            frame.n_sent = 0
        self._unsent = OrderedDict(self._frames)
        self.sent_bytes = 0
        return n_sent

    def describe(self, limit: int = 5) -> str:
        """The unacknowledged frame numbers, shortened, for an error line."""
        shown = ", ".join(str(seq) for seq in list(self._frames)[:limit]) or "none"
        return shown + (f" and {len(self) - limit} more" if len(self) > limit else "")

    def _allows(self, n_bytes: int) -> bool:
        return self.sent_bytes == 0 or self.sent_bytes + n_bytes <= self.credit_bytes
