"""The ledger against a plain model, through any order of duplicates, gaps, late frames and fates."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from phenostream.daemon.ledger import FATES, Ledger
from phenostream.daemon.wire.codec import pack, unpack_header
from phenostream.daemon.wire.ingest import Fate

RUNS = ("run-a", "run-b")


class LedgerMachine(RuleBasedStateMachine):
    """Frames arrive in any order, get any fate at any time; the model is two dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.in_flight: dict[str, set[int]] = {run: set() for run in RUNS}
        self.cells: dict[tuple[str, int], int] = {}
        self.fates: dict[str, dict[int, Fate]] = {run: {} for run in RUNS}
        self.ends: dict[str, int | None] = dict.fromkeys(RUNS)
        self.incidents: dict[str, int] = dict.fromkeys(("duplicates", "late"), 0)
        self.found = 0

    @initialize(expected=st.none() | st.integers(0, 12))
    def open_runs(self, expected: int | None) -> None:
        self.expected = {"run-a": expected, "run-b": None}
        for run, count in self.expected.items():
            self.ledger.open(run, count)

    @rule(run=st.sampled_from(RUNS), frame_seq=st.integers(0, 15))
    def arrives(self, run: str, frame_seq: int) -> None:
        standing = self.ledger.standing(run, frame_seq)
        limit = self.ends[run] if self.ends[run] is not None else self.expected[run]
        ended = self.ends[run] is not None
        if frame_seq in self.fates[run]:
            assert (standing.kind, standing.fate) == ("settled", self.fates[run][frame_seq])
            self.duplicate(run)
        elif frame_seq in self.in_flight[run]:
            assert standing.kind == "in_flight"
            self.duplicate(run)
        elif ended or (limit is not None and frame_seq >= limit):
            assert standing.kind == "late"
            self.ledger.count("late", run)
            self.incidents["late"] += 1
        else:
            assert standing.kind == "new"
            self.ledger.receive(run, frame_seq)
            self.in_flight[run].add(frame_seq)

    def duplicate(self, run: str) -> None:
        self.ledger.count("duplicates", run)
        self.incidents["duplicates"] += 1

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(data=st.data(), fate=st.sampled_from(FATES), cells=st.integers(0, 9))
    def settles(self, data: st.DataObject, fate: Fate, cells: int) -> None:
        run = data.draw(st.sampled_from([run for run in RUNS if self.in_flight[run]]))
        frame_seq = data.draw(st.sampled_from(sorted(self.in_flight[run])))
        reason = None if fate == "published" else "shape: of things"
        self.ledger.settle(run, frame_seq, fate, reason, {"found": cells, "classified": cells})
        self.in_flight[run].remove(frame_seq)
        self.fates[run][frame_seq] = fate
        self.cells[run, frame_seq] = cells
        self.found += cells

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(data=st.data())
    def is_withdrawn(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from([run for run in RUNS if self.in_flight[run]]))
        frame_seq = data.draw(st.sampled_from(sorted(self.in_flight[run])))
        self.ledger.withdraw(run, frame_seq)
        self.in_flight[run].remove(frame_seq)

    @rule()
    def a_new_process_goes_on(self) -> None:
        """What the journal holds comes back: fates in any order of their runs, and no incident of an open run."""
        before, self.ledger = self.ledger, Ledger()
        for run in RUNS:
            self.ledger.open(run, self.expected[run])
            for frame_seq, fate in self.fates[run].items():
                known = before.standing(run, frame_seq)
                cells = {
                    "found": self.cells[run, frame_seq],
                    "classified": self.cells[run, frame_seq],
                }
                self.ledger.settle(run, frame_seq, fate, known.reason, cells)
        self.ledger.go_on()
        self.in_flight = {run: set() for run in RUNS}
        self.ends = dict.fromkeys(RUNS)
        self.incidents = dict.fromkeys(self.incidents, 0)

    @rule(run=st.sampled_from(RUNS), n_frames=st.integers(0, 20))
    def ends_run(self, run: str, n_frames: int) -> None:
        least = max(self.in_flight[run] | set(self.fates[run]), default=-1) + 1
        refusal = self.ledger.end(run, n_frames)
        repeated = self.ends[run] is not None and self.ends[run] != n_frames
        assert (refusal is not None) == (n_frames < least or repeated)
        if refusal is None:
            self.ends[run] = n_frames

    @invariant()
    def accounts_for_every_frame(self) -> None:
        for run in self.ledger.runs():
            account = self.ledger.run(run)
            received = len(self.in_flight[run]) + len(self.fates[run])
            assert account["received"] == received
            assert sum(account[fate] for fate in FATES) + account["in_flight"] == received
            assert account["in_flight"] == len(self.in_flight[run])
            end = self.ends[run]
            assert account["missing"] == (0 if end is None else end - received)

    @invariant()
    def totals_are_the_sum_of_the_runs(self) -> None:
        total = self.ledger.total()
        runs = [self.ledger.run(run) for run in self.ledger.runs()]
        for key in ("received", "in_flight", "missing", *FATES):
            assert total[key] == sum(run[key] for run in runs)
        for incident, count in self.incidents.items():
            assert total[incident] == count
        assert total["cells_found"] == total["cells_classified"] == self.found

    @invariant()
    def resumes_after_the_last_gapless_fate(self) -> None:
        for run in self.ledger.runs():
            last = self.ledger.last_acked(run)
            prefix = 0 if last is None else last + 1
            assert all(seq in self.fates[run] for seq in range(prefix))
            assert prefix not in self.fates[run]


TestLedger = LedgerMachine.TestCase


def opened(n_expected: int | None = None) -> Ledger:
    ledger = Ledger()
    ledger.open("run", n_expected)
    return ledger


def test_a_thousand_frames_in_order_cost_one_interval() -> None:
    ledger = opened()
    for seq in range(1000):
        ledger.receive("run", seq)
        ledger.settle("run", seq, "published")
    assert ledger._runs["run"].settled.intervals == 1
    assert not ledger._runs["run"].exceptions


def test_a_fate_is_counted_by_the_code_of_its_reason() -> None:
    ledger = opened()
    for seq, reason in enumerate(["shape: (1, 2)", "shape: (3,)", "crc32: no"]):
        ledger.receive("run", seq)
        ledger.settle("run", seq, "quarantined", reason)
    account = ledger.run("run")
    assert (account["quarantined.shape"], account["quarantined.crc32"]) == (2, 1)


def test_equal_reasons_are_kept_once_and_their_number_is_bounded() -> None:
    ledger = opened()
    for seq in range(5000):
        reason = f"crc32: the data do not give {seq // 2}"
        ledger.receive("run", seq)
        ledger.settle("run", seq, "quarantined", reason)
    kept = ledger._runs["run"].exceptions.values()
    assert len({id(end) for end in kept}) == 1001
    assert ledger.standing("run", 1).reason == "crc32: the data do not give 0"
    assert ledger.standing("run", 4999).reason == "crc32: see the journal"
    assert ledger.run("run")["quarantined.crc32"] == 5000


def test_an_incident_of_nobody_is_in_the_total_only() -> None:
    ledger = opened()
    ledger.count("malformed", None)
    ledger.count("malformed", "unheard of")
    assert ledger.total()["malformed"] == 2
    assert ledger.run("run")["malformed"] == 0


def test_settling_twice_counts_once() -> None:
    ledger = opened()
    ledger.receive("run", 0)
    ledger.settle("run", 0, "published", cells={"found": 3})
    ledger.settle("run", 0, "failed", "engine: no", cells={"found": 3})
    account = ledger.run("run")
    assert (account["published"], account["failed"], account["cells_found"]) == (1, 0, 3)


@pytest.mark.parametrize(
    ("received", "n_frames", "refused"), [(3, 2, True), (3, 3, False), (3, 9, False), (0, 0, False)]
)
def test_an_end_below_what_was_received_is_refused(
    received: int, n_frames: int, refused: bool
) -> None:
    ledger = opened()
    for seq in range(received):
        ledger.receive("run", seq)
    assert (ledger.end("run", n_frames) is not None) == refused
    assert ledger.ended("run") != refused


def test_a_restored_end_gives_the_same_account() -> None:
    first = opened()
    first.receive("run", 0)
    first.settle("run", 0, "published")
    first.count("duplicates", "run")
    first.end("run", 3)
    account: dict[str, Any] = first.run("run")
    again = opened()
    again.settle("run", 0, "published")
    again.restore_end("run", account)
    assert again.run("run") == account


def test_an_open_run_of_an_earlier_process_says_that_its_messages_are_counted_anew() -> None:
    ledger = opened()
    ledger.receive("run", 0)
    ledger.settle("run", 0, "published")
    ledger.count("late", "run")
    assert "recovered" not in ledger.run("run")
    ledger.go_on()
    account = ledger.run("run")
    assert (account["recovered"], account["late"], account["published"]) == (1, 0, 1)
    ledger.end("run", 1)
    again = opened()
    again.settle("run", 0, "published")
    again.restore_end("run", account | {"announced": 1})
    again.go_on()
    assert again.run("run")["recovered"] == 1


def test_a_withdrawn_frame_is_as_if_it_had_not_come() -> None:
    ledger = opened()
    ledger.receive("run", 0)
    ledger.withdraw("run", 0)
    account = ledger.run("run")
    assert (account["received"], account["in_flight"]) == (0, 0)
    assert ledger.standing("run", 0).kind == "new"
    assert ledger.end("run", 0) is None


def test_the_total_of_numbers_that_are_far_apart_can_be_told() -> None:
    ledger = Ledger()
    for run in RUNS:
        ledger.open(run, None)
        ledger.receive(run, 2**64 - 2)
    assert unpack_header(pack(ledger.total()))["gaps"] == 2**64 - 1


def test_several_messages_are_counted_at_once() -> None:
    ledger = opened()
    ledger.count("shots_repeated", "run", 3)
    ledger.count("shots_repeated", "run", 0)
    assert ledger.run("run")["shots_repeated"] == ledger.total()["shots_repeated"] == 3


def test_the_latest_runs_are_told_whole_and_which_of_them_ended() -> None:
    ledger = Ledger()
    for run in ("a", "b", "c"):
        ledger.open(run, None)
    ledger.end("a", 0)
    ledger.end("b", 0)
    accounts, ended = ledger.latest(2)
    assert list(accounts) == ["b", "c"]
    assert accounts["b"] == ledger.run("b")
    assert ended == ["b"]


def test_what_came_is_counted_by_the_process_and_never_falls() -> None:
    ledger = Ledger()
    ledger.open("run-a", None)
    for frame in range(3):
        ledger.receive("run-a", frame)
    ledger.withdraw("run-a", 2)
    ledger.count("duplicates", "run-a")
    ledger.count("malformed", times=2)
    ledger.go_on()
    assert (ledger.total()["received"], ledger.total()["duplicates"]) == (2, 0)
    came = {name: n for name, n in ledger.came().items() if n}
    assert came == {"received": 3, "duplicates": 1, "malformed": 2}
