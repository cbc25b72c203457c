"""A subscriber under anything that may happen: live copies lost or cut off, replay, damage, retention, restarts.

The journal is a list that knows which of its records are gone. Whatever the interleaving, each record is delivered
once, in order and as it was, or is told as lost once. Of each run the results that did not come are counted exactly,
but for what was lost of an older run before its first count was heard: that is told by its offsets alone.
"""

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from phenostream.daemon.client.control import Batch, Stored
from phenostream.daemon.client.follower import Follower
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.results import encode_offset

RUNS = ("a", "b")


class FollowedJournal(RuleBasedStateMachine):
    """One follower, one journal, one connection between them."""

    @initialize(repairs=st.booleans(), since=st.none() | st.integers(0, 3), past=st.integers(0, 6))
    def begin(self, repairs: bool, since: int | None, past: int) -> None:
        self.payloads: list[bytes] = []
        self.gone: set[int] = set()
        self.oldest = 0
        self.settled: Counter[str] = Counter()
        self.first = dict.fromkeys(RUNS, -1)
        for _ in range(past):
            self._append("a")
        self.before = Counter(self.settled)
        self.repairs = repairs
        self.since = since if repairs else None
        self.follower = Follower("here", self.since, repairs)
        self.gaps: list[int] = []
        self.missed: Counter[str] = Counter()
        self.follower.on_gap = lambda first, last: self.gaps.extend(range(first, last + 1))
        self.follower.on_missed = self._note_missed
        self.wire: list[list[bytes]] = [[b"welcome"], self._mark()]  # as a daemon greets

    @rule(run=st.sampled_from(RUNS), lost=st.booleans())
    def publish(self, run: str, lost: bool) -> None:
        """A result is on disk; its live copy may be lost, behind a full queue."""
        self._append(run)
        if not lost:
            self.wire.append(self._live(len(self.payloads) - 1))

    @rule()
    def mark(self) -> None:
        """A second has passed."""
        self.wire.append(self._mark())

    @rule(most=st.integers(1, 5))
    def receive(self, most: int) -> None:
        """Some messages arrive; while something is missing they wait, as in the subscriber."""
        while most and self.wire and self.follower.wanted is None:
            self.follower.take(self.wire.pop(0))
            most -= 1

    @rule(step=st.integers(1, 4))
    def replay(self, step: int) -> None:
        """The journal answers one question."""
        since = self.follower.wanted
        if since is None:
            return
        end = min(max(since, len(self.payloads)), since + step)
        held = range(max(since, self.oldest), end)
        records = tuple(Stored("result", n, self.payloads[n]) for n in held if n not in self.gone)
        newest = len(self.payloads) - 1 if self.payloads else None
        self.follower.absorb(Batch(records, end, newest, self.oldest))

    @rule()
    def restart(self) -> None:
        """The daemon dies and comes back with its journal: what was on the way is lost."""
        self.wire = [[b"welcome"], self._mark()]

    @rule(count=st.integers(1, 3))
    def retain(self, count: int) -> None:
        """Retention removes the oldest."""
        self.oldest = min(self.oldest + count, len(self.payloads))

    @rule(place=st.integers(0, 30))
    def damage(self, place: int) -> None:
        """A record of the journal is spoilt."""
        if place < len(self.payloads):
            self.gone.add(place)

    @invariant()
    def once_in_order_and_as_it_was(self) -> None:
        got = [record.offset for record in self.follower.ready]
        assert got == sorted(set(got))
        assert len(set(self.gaps)) == len(self.gaps)
        assert not set(got) & set(self.gaps)
        assert all(record.payload == self.payloads[record.offset] for record in self.follower.ready)

    def teardown(self) -> None:
        """All that is on the way arrives, and a last mark: then nothing is unknown."""
        self.wire += [self._mark(), self._mark()]
        while self.wire or self.follower.wanted is not None:
            self.receive(5)
            self.replay(4)
        self.once_in_order_and_as_it_was()
        begin = self.follower.begin
        assert begin is not None
        got = [record.offset for record in self.follower.ready]
        assert sorted(got + self.gaps) == list(range(begin, len(self.payloads)))
        if self.repairs:
            assert all(n < self.oldest or n in self.gone for n in self.gaps)
        came = Counter(str(record.facts["run"]) for record in self.follower.ready)
        for run in RUNS:
            since = sum(self._run_of(n) == run for n in range(begin, len(self.payloads)))
            assert came[run] + self.missed[run] <= since
            if self.since is None or self.first[run] >= begin:
                assert came[run] + self.missed[run] == since

    def _append(self, run: str) -> None:
        if self.first[run] < 0:
            self.first[run] = len(self.payloads)
        self.settled[run] += 1
        body = {"v": 1, "run": run, "n": len(self.payloads)}
        self.payloads.append(pack(body))

    def _run_of(self, offset: int) -> str:
        return "a" if b"\xa1a" in self.payloads[offset] else "b"

    def _live(self, offset: int) -> list[bytes]:
        return [b"result", encode_offset(offset), self.payloads[offset]]

    def _mark(self) -> list[bytes]:
        newest = len(self.payloads) - 1 if self.payloads else None
        rest = {"dropped": 0, "quarantined": 0, "failed": 0}
        runs = {
            run: {"published": self.settled[run], "first_offset": self.first[run], **rest}
            for run in RUNS
            if self.first[run] >= 0
        }
        said = {"v": 1, "newest": newest, "runs": runs}
        return [b"highwater", encode_offset(newest or 0), pack(said)]

    def _note_missed(self, run: str, n: int) -> None:
        self.missed[run] += n


FollowedJournal.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestFollowedJournal = FollowedJournal.TestCase
