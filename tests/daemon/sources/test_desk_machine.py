"""The whole ingest desk against a plain model, through anything that sources, time, the pipeline and kill -9 may do.

At every step every ledger, the total, the answers, the idle state and the counters of the best-effort sources
equal the model's, to the unit. `PHENOSTREAM_EXAMPLES` sets how many examples are run (the nightly runs thousands).
"""

import os
import zlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from phenostream.daemon.ledger import Ledger, Standing
from phenostream.daemon.model import ServedModel
from phenostream.daemon.sources.best_effort_desk import OUTCOMES
from phenostream.daemon.sources.reception import Reception
from phenostream.daemon.sources.shot_assembler import ShotAssembler
from phenostream.daemon.wire.codec import pack, unpack_header, unpack_meta
from phenostream.daemon.wire.ingest import (
    Ack,
    End,
    Fate,
    FrameHeader,
    Hello,
    Report,
    Shot,
    ShotHeader,
    Start,
    encode,
)
from phenostream.engine.types import REDUCED_PIXEL_UM, SHOTS
from tests.daemon.conftest import toy_model
from tests.daemon.sources.desk_model import INCIDENTS, DeskModel, RunModel, Said, Who
from tests.daemon.sources.desk_world import World, code_of, ends_entered, told

EXAMPLES = int(os.environ.get("PHENOSTREAM_EXAMPLES", "60"))
SHOT_BYTES = 128 * 128
DATA = bytes(4 * SHOT_BYTES)
RUNS = tuple(f"00000000-0000-7000-8000-00000000000{number}" for number in range(5))
SPEAKERS: dict[str, Who] = dict(zip(RUNS, (b"p", b"p", b"r", "a", "b"), strict=True))
EVERYBODY: tuple[Who, ...] = (b"p", b"q", b"r", "a", "b")
EXPECTED = dict(zip(RUNS, (None, 6, None, None, 5), strict=True))

runs = st.sampled_from(RUNS[:1] * 4 + RUNS[3:4] * 3 + RUNS)
seqs = st.sampled_from([0, 0, 0, 1, 1, 1, 2, 2, 3, 5, 7])
mostly_right = st.sampled_from([None] * 6 + list(EVERYBODY))
"""None: whoever has the run."""
faults = st.sampled_from(["", "", "", "", "shape", "length", "crc32", "dtype", "header"])
fates: st.SearchStrategy[Fate] = st.sampled_from(["published", "published", "dropped", "failed"])


def start_of(run: str) -> Start:
    return Start(
        run=run,
        instrument="other" if run == RUNS[2] else "scope",
        pixel_size_um=REDUCED_PIXEL_UM,
        dark_level=0.0,
        white_level=255.0,
        bit_depth=8,
        dtype="u8",
        height=128,
        width=128,
        shots=SHOTS,
        wavelength_um=0.53,
        numerical_aperture=0.5,
        n_expected=EXPECTED[run],
        synthetic=True,
        source_utc_ns=1,
    )


def message(header: FrameHeader | ShotHeader, data: bytes, fault: str) -> tuple[list[bytes], int]:
    """The parts of a frame or shot with one thing wrong, and the length of its data."""
    if fault == "length":
        data = data[:-1]
    changes: dict[str, dict[str, Any]] = {
        "shape": {"shape": (1,) * len(header.shape)},
        "dtype": {"dtype": "u16"},
        "crc32": {"crc32": zlib.crc32(data) ^ 1},
    }
    head = encode(header.model_copy(update=changes.get(fault, {})))
    if fault == "header":
        head = pack(unpack_header(head) | {"colour": "red"})
    return [head, data], len(data)


class DeskMachine(RuleBasedStateMachine):
    """The world and the model hear the same."""

    served: ServedModel = toy_model()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.served)
        self.model = DeskModel()
        self.log: list[tuple[Any, ...]] = []
        self.codes: dict[tuple[str, int], str] = {}

    @initialize(which=st.sets(runs, min_size=1, max_size=3))
    def open_runs(self, which: set[str]) -> None:
        for run in sorted(which):
            self.says_hello(SPEAKERS[run], start_of(run).instrument, run)
            self.says_start(SPEAKERS[run], run, "nothing")

    def say(self, who: Who, kind: str, parts: list[bytes], expected: list[Said]) -> None:
        """One message to the world: the model's answers, or its counter for a source that hears none."""
        heard = self.world.say(who, parts, self.model.now_s)
        if isinstance(who, bytes):
            assert heard == expected
            return
        refused = any(said[0] == "refused" and said[1] != "late" for said in expected)
        outcome = "malformed" if kind == "malformed" else "refused" if refused else kind
        self.model.told[who].update(["messages", outcome])

    def unstarted(self, who: Who, run: str, parts: list[bytes]) -> bool:
        """Whether a best-effort source speaks of a run nobody knows, or of its own that must be opened again first."""
        if not isinstance(who, str):
            return False
        known = self.model.runs.get(run)
        if known is None:
            self.model.count("unstarted", None)
            self.say(who, "unstarted", parts, [])
            return True
        if known.source == who and not known.open:
            refusal = self.model.start(who, known.start)
            if refusal[0][0] == "refused":
                self.say(who, "frames", parts, refusal)
                return True
        return False

    def admitted(self, run: str, seq: int, code: str, yes: bool) -> None:
        if yes and code:
            self.codes[run, seq] = code

    def says_hello(self, who: Who, instrument: str, run: str) -> None:
        parts = [encode(Hello(instrument=instrument, run=run))]
        if isinstance(who, str):
            if not self.model.draining:
                self.model.count("malformed", None)
                self.say(who, "malformed", parts, [])
        else:
            self.say(who, "hello", parts, self.model.hello(who, instrument, run))

    def says_start(self, who: Who, run: str, change: str) -> None:
        told: dict[str, dict[str, Any]] = {"clock": {"source_utc_ns": 7}, "bits": {"bit_depth": 7}}
        start = start_of(run).model_copy(update=told.get(change, {}))
        if self.can_speak(who):
            self.say(who, "starts", [encode(start)], self.model.start(who, start))

    @rule(who=mostly_right, run=runs, frames=st.lists(st.tuples(seqs, faults), min_size=1))
    def sends_frames(self, who: Who | None, run: str, frames: list[tuple[int, str]]) -> None:
        for seq, fault in frames:
            self.send_frame(self.speaker(who, run), run, seq, fault)

    def send_frame(self, who: Who, run: str, seq: int, fault: str) -> None:
        header = FrameHeader(
            run=run, frame_seq=seq, shape=(4, 128, 128), dtype="u8", source_utc_ns=1000 + seq
        )
        parts, size = message(header, DATA, fault)
        if not self.can_speak(who):
            return
        if fault == "header":
            yes, answers = self.model.malformed(who, run, seq, False, size)
        elif self.unstarted(who, run, parts):
            return
        else:
            yes, answers = self.model.frame(who, run, seq, size)
        self.admitted(run, seq, fault, yes)
        self.say(who, "malformed" if fault == "header" else "frames", parts, answers)

    @rule(
        who=st.sampled_from([None, None, None, b"p", b"q"]),
        run=runs,
        seq=seqs,
        shots=st.lists(st.sampled_from(SHOTS), min_size=1, max_size=6),
        fault=faults,
    )
    def sends_shots(
        self, who: Who | None, run: str, seq: int, shots: list[Shot], fault: str
    ) -> None:
        """Some shots of a frame, with repetitions, sound but for the last."""
        who = self.speaker(who, run)
        for shot, wrong in [*((one, "") for one in shots[:-1]), (shots[-1], fault)]:
            self.send_shot(who, run, seq, shot, wrong)

    def send_shot(self, who: Who, run: str, seq: int, shot: Shot, fault: str) -> None:
        header = ShotHeader(
            run=run,
            frame_seq=seq,
            illumination=shot,
            shape=(128, 128),
            dtype="u8",
            source_utc_ns=1000 + seq,
        )
        parts, _ = message(header, DATA[:SHOT_BYTES], fault)
        if not self.can_speak(who):
            return
        if fault == "header":
            yes, answers = self.model.malformed(who, run, seq, True, len(DATA))
        elif self.unstarted(who, run, parts):
            return
        else:
            yes, answers = self.model.shot(who, run, seq, shot, len(DATA), bool(fault))
        self.admitted(run, seq, fault, yes)
        self.say(who, "malformed" if fault == "header" else "frames", parts, answers)

    @precondition(lambda self: any(run.fates or run.due for run in self.model.runs.values()))
    @rule(run=runs, missing=st.sampled_from([-1, 0, 0, 0, 2]))
    def says_end(self, run: str, missing: int) -> None:
        """The right one, mostly, to a run that has frames."""
        known = self.model.runs.get(run)
        if known and known.end and known.end + missing > 0:
            self.end(SPEAKERS[run], run, known.end + missing)

    def end(self, who: Who, run: str, n_frames: int) -> None:
        parts = [encode(End(run=run, n_frames=n_frames))]
        if self.can_speak(who) and not self.unstarted(who, run, parts):
            self.say(who, "ends", parts, self.model.end(who, run, n_frames))

    @rule(
        who=st.sampled_from(EVERYBODY),
        run=runs,
        what=st.sampled_from(
            ["hello", "other", "start", "clock", "bits", "garbage", "parts", "end"]
        ),
    )
    def says_something_else(self, who: Who, run: str, what: str) -> None:
        """Mostly wrong: what a stranger, a confused source or a reconnecting one says."""
        if what in ("hello", "other"):
            self.says_hello(who, "other" if what == "other" else start_of(run).instrument, run)
        elif what in ("start", "clock", "bits"):
            self.says_start(who, run, what)
        elif what == "end":
            self.end(who, run, 1)
        else:
            self.says_garbage(who, {"garbage": [b"\xc1", b"x"], "parts": []}[what])

    def says_garbage(self, who: Who, parts: list[bytes]) -> None:
        if self.can_speak(who):
            _, answers = self.model.malformed(who, None, 0, False, 0)
            self.say(who, "malformed", parts, answers)

    @precondition(lambda self: self.world.working)
    @rule(which=st.integers(0, 99), fate=fates, cells=st.integers(0, 3))
    def a_frame_is_done(self, which: int, fate: Fate, cells: int) -> None:
        which %= len(self.world.working)
        run, seq = self.world.finish(which, fate, "code", cells if fate == "published" else 0)
        assert (run, seq) not in self.codes, "a frame that broke its contract reached the pipeline"

    @precondition(lambda self: self.world.queue)
    @rule(count=st.integers(1, 6))
    def commits(self, count: int) -> None:
        before = len(self.world.journal)
        reports = ends_entered(self.world.queue[:count])
        expected = {run: self.model.runs[run].account() for run in reports}
        self.world.commit(count, self.settled)
        for record in self.world.journal[before:]:
            body = unpack_meta(record.payload)
            if body.get("event") == "run_ended":
                assert body["ledger"] == expected[body["run"]]

    def settled(self, run: str, seq: int, fate: Fate, code: str | None, cells: int) -> None:
        wrong = self.codes.pop((run, seq), None)
        assert wrong is None or (fate, code) == ("quarantined", wrong)
        self.model.durable(run, seq, fate, code, cells)

    @precondition(lambda self: self.world.answers)
    @rule()
    def answers_are_heard(self) -> None:
        while self.world.answers:
            answer, letters = self.world.hear()
            if isinstance(answer, Ack):
                expected = self.model.answered(answer.run, answer.frame_seq)
            else:
                assert isinstance(answer, Report)
                expected = self.model.reported(answer.run, answer.ledger)
            assert [told(letter.message) for letter in letters] == expected
            assert all(letter.peer == self.model.runs[answer.run].answered for letter in letters)

    @rule(seconds=st.sampled_from([1.0, 5.0, 5.0, 5.0, 11.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.model.now_s += seconds
        for run, seq in self.model.overdue():
            self.codes[run, seq] = "incomplete"
        if not self.model.draining:
            for source in self.world.sources:
                self.model.tick(source)
            self.world.pass_time(self.model.now_s)

    @rule(fate=fates)
    def all_is_done(self, fate: Fate) -> None:
        """The pipeline catches up."""
        while self.world.working:
            self.a_frame_is_done(0, fate, 2)
        if self.world.queue:
            self.commits(len(self.world.queue))
        if self.world.answers:
            self.answers_are_heard()

    @precondition(lambda self: any(run.due for run in self.model.runs.values()))
    @rule()
    def drains(self) -> None:
        for run, seq in self.model.drain():
            self.codes[run, seq] = "incomplete"
        self.world.drain()

    @precondition(lambda self: self.world.journal)
    @rule()
    def a_checkpoint_is_taken(self) -> None:
        self.world.take_checkpoint()

    @precondition(lambda self: any(run.fates or run.due for run in self.model.runs.values()))
    @rule(count=st.integers(0, 6), back=st.sampled_from([True, True, False]))
    def is_killed(self, count: int, back: bool) -> None:
        """After an fdatasync of which nobody heard, or before it."""
        self.world.sync_and_die(count)
        self.restart()
        if back:
            self.open_runs(set(self.model.runs))

    @precondition(lambda self: self.model.draining)
    @rule()
    def stops(self) -> None:
        """A drain to its end: every frame that was taken has its fate on disk."""
        while self.world.working or self.world.queue or self.world.answers:
            if self.world.working:
                self.a_frame_is_done(0, "published", 1)
            elif self.world.queue:
                self.commits(len(self.world.queue))
            else:
                self.answers_are_heard()
        assert self.world.desk.idle
        self.restart()

    def restart(self) -> None:
        self.world.begin()
        now_s = self.model.now_s
        self.model, self.codes = recovered(self.world), {}
        self.model.now_s = now_s

    def speaker(self, who: Who | None, run: str) -> Who:
        return SPEAKERS[run] if who is None else who

    def can_speak(self, who: Who) -> bool:
        """The doors of the best-effort sources are closed while the daemon drains."""
        return isinstance(who, bytes) or not self.model.draining

    @invariant()
    def every_account_is_exact(self) -> None:
        ledger = self.world.ledger
        assert set(ledger.runs()) == set(self.model.runs)
        for name, run in self.model.runs.items():
            account = ledger.run(name)
            assert account == run.account()
            owed = account["received"] - sum(
                account[fate] for fate in ("published", "dropped", "quarantined", "failed")
            )
            assert account["in_flight"] == owed
            assert ledger.last_acked(name) == run.last_acked
        assert {key: n for key, n in ledger.total().items() if n} == self.model.total()

    @invariant()
    def every_frame_that_owes_a_fate_is_somewhere(self) -> None:
        due = {(name, seq) for name, run in self.model.runs.items() for seq in run.due}
        waiting = {(name, seq) for name, run in self.model.runs.items() for seq in run.waiting}
        assert self.world.owing() | waiting == due
        assert not self.world.owing() & waiting
        assert self.world.desk.assembling()["frames"] == len(waiting)
        assert self.world.desk.idle == self.model.idle

    @invariant()
    def every_message_of_a_source_is_counted_once(self) -> None:
        for name, source in self.world.sources.items():
            said = source.told()
            assert said["messages"] == sum(int(said[outcome]) for outcome in OUTCOMES)
            assert {k: n for k, n in said.items() if n and isinstance(n, int)} == self.model.told[
                name
            ]

    @invariant()
    def no_frame_has_two_fates_in_the_journal(self) -> None:
        bodies = [unpack_meta(r.payload) for r in self.world.journal if r.topic == "result"]
        assert max(Counter((b["run"], b["frame_seq"]) for b in bodies).values(), default=1) == 1


def recovered(world: World) -> DeskModel:
    """What a new process must know: the journal, read the plain way."""
    model = DeskModel()
    for record in world.journal:
        body = unpack_meta(record.payload)
        if record.topic == "result":
            run = model.runs[body["run"]]
            run.fates[body["frame_seq"]] = (body["fate"], code_of(body["reason"]))
            run.cells += Counter(body["counts"])
        elif body["event"] == "run_started":
            start = Start.model_validate(body["start"], strict=False)
            model.runs[start.run] = RunModel(start, body["source"], announced=start.n_expected)
        else:
            run = model.runs[body["run"]]
            run.report, run.ended = body["ledger"], True
            run.announced = body["ledger"]["announced"]
            run.recovered = "recovered" in body["ledger"]
            run.incidents = Counter({k: body["ledger"][k] for k in INCIDENTS})
    for run in model.runs.values():
        run.recovered |= not run.ended
    return model


TestDesk = DeskMachine.TestCase
TestDesk.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def forget_settled(run_ledger: Ledger, run: str, frame_seq: int) -> Standing:
    found = STANDING(run_ledger, run, frame_seq)
    return Standing("new") if found.kind == "settled" else found


STANDING, COUNT = Ledger.standing, Ledger.count
BREAKS: list[tuple[type[Any], str, Any]] = [
    (Ledger, "standing", forget_settled),
    (Ledger, "withdraw", lambda self, run, seq: None),
    (Ledger, "last_acked", lambda self, run: len(self._runs[run].settled) or None),
    (Ledger, "count", lambda self, what, run=None, times=1: COUNT(self, what, None, times)),
    (Ledger, "end", lambda self, run, n_frames: None),
    (ShotAssembler, "overdue", lambda self, now_s: iter(())),
    (Reception, "settled", lambda self, ack: None),
]


@pytest.mark.parametrize(("owner", "name", "broken"), BREAKS, ids=[name for _, name, _ in BREAKS])
def test_a_desk_that_breaks_a_promise_is_found(
    owner: type[Any], name: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(
            DeskMachine,
            settings=settings(
                TestDesk.settings,
                max_examples=2000,
                phases=[Phase.generate],
                database=None,
                derandomize=True,
                report_multiple_bugs=False,
            ),
        )
