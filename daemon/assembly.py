"""The daemon put together: channels between the stages, one thread per stage, and what they share.

Every bound and every queue of the process is chosen here. Sockets are made, used and closed inside their threads.
"""

from contextlib import ExitStack
from threading import Event
from typing import Any, Final

import zmq

from phenostream.daemon.backgrounds import read_backgrounds
from phenostream.daemon.channel import Channel
from phenostream.daemon.channel_map import true_shots
from phenostream.daemon.checkpointing import Checkpointing
from phenostream.daemon.config import Config
from phenostream.daemon.control import Answers, Control
from phenostream.daemon.crew import Beat, Crew
from phenostream.daemon.drifting import Drifting
from phenostream.daemon.health import Health
from phenostream.daemon.journal.keeper import Keeper
from phenostream.daemon.journal.retention import Limits
from phenostream.daemon.meters import Meters
from phenostream.daemon.narration import Narration
from phenostream.daemon.newest_summary import NewestSummary
from phenostream.daemon.open_runs import OpenRuns
from phenostream.daemon.pipeline.commit import Books, Commit
from phenostream.daemon.pipeline.entries import Answer, Entry, Passage, ReceivedFrame
from phenostream.daemon.pipeline.expansion import Expander
from phenostream.daemon.pipeline.fields import Fields
from phenostream.daemon.pipeline.inference import Inference
from phenostream.daemon.pipeline.model_batches import ModelBatches
from phenostream.daemon.pipeline.orientations import Orientations
from phenostream.daemon.pipeline.preparation import FramePath, Preparation
from phenostream.daemon.publisher import Publisher, send_high_water
from phenostream.daemon.quarantine import Quarantine
from phenostream.daemon.recovery import Recovered
from phenostream.daemon.security.gate import Gate
from phenostream.daemon.security.guard import Guard
from phenostream.daemon.sources.best_effort import BestEffortDoor
from phenostream.daemon.sources.best_effort_desk import BestEffortDesk
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.daemon.sources.intake import Intake, Signs
from phenostream.daemon.sources.lossless import LosslessDoor
from phenostream.daemon.sources.reception import Outlets
from phenostream.daemon.sources.runs import RunBook
from phenostream.daemon.status import Status
from phenostream.daemon.summaries import SummaryBook
from phenostream.daemon.swap.models import Models
from phenostream.daemon.swap.swapper import Swapper
from phenostream.daemon.telling import telling_of
from phenostream.daemon.wake import Wake
from phenostream.daemon.wire.encoding import encodings
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.batcher import Batch
from phenostream.engine.reduce import reduced_shape

_BATCHES_PER_STREAM: Final = 1
_ENTRIES_QUEUED: Final = 64
CONTROL: Final = "control"
GATE: Final = "gate"
INGEST: Final = "ingest"


class Assembly:
    """All threads of one daemon.

    Attributes:
        endpoints: Where it listens, by section, with real ports; best-effort sources as ``sources.NAME``.
    """

    def __init__(
        self,
        config: Config,
        models: Models,
        found: Recovered,
        guard: Guard,
        health: Health,
        wake: Wake,
    ) -> None:
        """Build everything; nothing runs yet.

        Args:
            config: Checked.
            models: The one that serves is warm.
            found: The journal, open, and what it tells of earlier processes.
            guard: Opens every socket.
            health: Of the process.
            wake: Set when a thread ends or a drain is asked for.

        Raises:
            BadInput: A configured background or reference is refused.
        """
        self.endpoints: dict[str, str] = {}
        self.drain_wanted = Event()
        self._config, self._models, self._journal = config, models, found.journal
        self._ledger, runs = found.ledger, found.runs
        self._register, self._counted = found.register, found.counted
        self._open_runs = OpenRuns(self._most_runs(), self._ledger.run)
        self._fields = self._make_fields()
        self._guard, self._health, self._wake = guard, health, wake
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._signs = Signs(Wake(), Event())
        self._arrived = Wake()
        self._control_stops = Wake()
        self._gate_stops = Wake()
        streams = models.serving.engines.primary.streams
        attention = self._signs.attention.set
        self._frames: Channel[ReceivedFrame] = Channel(
            config.limits.frames_queued, on_room=attention
        )
        self._batches: Channel[Batch[Passage]] = Channel(
            _BATCHES_PER_STREAM * streams, on_starved=self._frames.nudge
        )
        # Producers: the ingest thread, the prepare thread, every inference thread.
        self._entries: Channel[Entry] = Channel(
            _ENTRIES_QUEUED, 2 + streams, on_item=self._arrived.set, on_room=attention
        )
        self._narration = Narration(config.summary, self._entries.offer, self._journal.read)
        self._narration.restore(found.narrated, found.summaries)
        # Never more than frames in flight and open runs: bounded by the sources' credit.
        self._answers: Channel[Answer] = Channel(None, on_item=attention)
        self._quarantine = Quarantine(config.quarantine.directory, config.quarantine.max_bytes)
        self._expander = Expander()
        self._orientations = Orientations()
        self._desk = self._make_desk(runs)
        self._best_effort = [
            BestEffortDesk(source, self._desk, self._ledger, runs) for source in config.sources
        ]
        self._keeper = Keeper(config.journal.directory, found.journal, self._kept(), health)
        self._meters = Meters(models.serving.manifest.classes)
        self._newest_summary = NewestSummary()
        self._drifting = Drifting(config.drift, found.drift, self._most_runs())
        self._commit = self._make_commit()
        self._crew = Crew(health, wake.set)
        for channel in (self._frames, self._batches, self._entries, self._answers):
            self._crew.on_abort(channel.abort)
        self._crew.on_abort(self._commit.abort)
        self._inference = Inference(models, health, self._batches, self._entries, self._crew)
        self._crew.on_abort(self._inference.abort)
        self._swapper = Swapper(models, self._inference.shadow, config.model, self._entries.put)
        self._crew.on_abort(self._swapper.stop)
        self._crew.on_abort(self._keeper.abort)
        self._crew.on_abort(self._control_stops.set)
        self._crew.on_abort(self._gate_stops.set)
        self._status = self._make_status()

    def start(self) -> None:
        """Start the threads from the end to the beginning; returns when every socket is bound.

        Raises:
            BadConfig: An endpoint cannot be bound.
        """
        crew, endpoints = self._crew, self.endpoints
        crew.start_bound(GATE, lambda: Gate(self._context, self._guard), self._run_gate)
        endpoints["results"] = crew.start_bound("commit", self._publisher, self._run_commit)
        crew.start("keeper", self._keeper.run)
        self._inference.start(self._models.serving.engines.primary.streams)
        crew.start("prepare", self._make_preparation().run)
        endpoints[CONTROL] = crew.start_bound(CONTROL, self._control, self._run_control)
        endpoints[INGEST] = crew.start_bound(INGEST, self._intake, self._run_intake)

    def drain(self) -> None:
        """Take nothing new; the threads end by themselves when every received frame has its fate."""
        self._swapper.stop()
        self._signs.draining.set()
        self._signs.attention.set()

    @property
    def failure(self) -> tuple[str, BaseException] | None:
        """The thread that died first, and of what."""
        return self._crew.failure

    @property
    def model(self) -> dict[str, Any]:
        """What a result says of the model that serves."""
        return self._models.serving.describe()

    @property
    def longest_call_s(self) -> float:
        """After which a call of an engine is given up on."""
        return self._models.serving.engines.longest_call_s

    def hung(self) -> str | None:
        """See `Inference.hung`."""
        return self._inference.hung()

    @property
    def drained(self) -> bool:
        """Whether only the control thread and the gate are left."""
        return self._crew.running() <= {CONTROL, GATE}

    def stop(self, timeout_s: float, *, force: bool) -> list[str]:
        """End what still runs and release everything; the names of threads that did not end in time."""
        self._control_stops.set()
        self._gate_stops.set()
        if force:
            self._crew.abort()
        self._swapper.stop()
        late = self._crew.join(timeout_s)
        self._swapper.join(timeout_s)
        self._expander.close()
        if not late:
            self._context.term()
            self._signs.attention.close()
            self._arrived.close()
            self._control_stops.close()
            self._gate_stops.close()
        return late

    def status(self) -> dict[str, Any]:
        """What the control service tells; plain values."""
        return self._status.told()

    def _make_desk(self, runs: RunBook) -> IngestDesk:
        outlets = Outlets(
            self._frames,
            self._entries,
            self._quarantine,
            self._check_start,
            lambda: self._health.beat(INGEST),
            encodings(),
            self._expander.expand,
        )
        return IngestDesk(self._config.ingest, self._ledger, runs, outlets)

    def _check_start(self, start: Start) -> None:
        self._models.serving.check_shots(true_shots(start, self._config.ingest.channel_map))
        reduced_shape(start.camera, (start.height, start.width))
        self._fields.check(start)

    def _make_fields(self) -> Fields:
        field = self._config.field
        recorded = read_backgrounds(
            field.background, self._models.serving.manifest.reduction_kernel
        )
        return Fields(field.source, recorded, field.stream_frames, self._most_runs())

    def _most_runs(self) -> int:
        return self._config.ingest.max_open_runs + len(self._config.sources)

    def _make_preparation(self) -> Preparation:
        limits, model = self._config.limits, self._config.model
        return Preparation(
            FramePath(
                self._config.detect,
                limits.max_cells_per_frame,
                self._models.serving.manifest.reduction_kernel,
                self._config.ingest.channel_map,
                self._fields,
                self._orientations,
            ),
            ModelBatches(self._models, model.max_wait_ms / 1e3),
            self._quarantine,
            self._frames,
            self._batches,
            self._entries,
        )

    def _make_commit(self) -> Commit:
        config = self._config
        model = self._models.serving
        summaries = SummaryBook(
            model.manifest,
            config.summary.window_s,
            config.ingest.max_open_runs,
            model.sha256,
            telling_of(config.summary, model.sha256, self._drifting.facts),
        )
        for one in self._counted:
            summaries.restore(one.run, one.since, one.tally, one.sha256, one.elsewhere)
        checkpointing = Checkpointing(
            self._journal,
            self._ledger,
            self._register,
            summaries,
            self._keeper,
            self._drifting.history,
            self._narration,
        )
        books = Books(
            self._ledger,
            self._health,
            summaries,
            self._open_runs,
            self._register,
            checkpointing,
            self._narration,
            self._meters,
            self._newest_summary,
            self._drifting,
        )
        return Commit(self._models, self._journal, books, self._entries, self._answers)

    def _make_status(self) -> Status:
        return Status(
            self._health,
            self._ledger,
            self._journal,
            {"frames": self._frames, "batches": self._batches, "entries": self._entries},
            self._desk,
            self._best_effort,
            self._quarantine,
            self.endpoints,
            self._guard,
            self._models,
            self._inference,
            self._narration,
            self._commit,
            self._orientations,
            self._meters,
            self._newest_summary,
            self._drifting,
            {
                "journal": self._config.journal.directory,
                "quarantine": self._config.quarantine.directory,
            },
            self._config.sha256,
        )

    def _kept(self) -> Limits:
        journal = self._config.journal
        return Limits(journal.max_bytes or None, journal.max_age_days or None)

    def _publisher(self) -> Publisher:
        results = self._config.results
        cells = self._config.limits.max_cells_per_frame
        high_water = send_high_water(results.send_budget_bytes, cells)
        counts = self._open_runs.counts
        return Publisher(
            self._context, results.endpoint, high_water, self._journal, counts, self._guard
        )

    def _control(self) -> Control:
        def drain() -> None:
            self.drain_wanted.set()
            self._wake.set()

        answers = Answers(
            self._journal,
            self.status,
            self._model_card,
            self._open_runs.told,
            drain,
            self._swapper,
            self._narration,
            self._guard.reload,
        )
        return Control(self._context, self._config.control.endpoint, answers, self._guard)

    def _intake(self) -> Intake:
        with ExitStack() as opened:
            lossless = LosslessDoor(self._context, self._config.ingest, self._desk, self._guard)
            opened.callback(lossless.close)
            others = []
            for desk in self._best_effort:
                others.append(BestEffortDoor(self._context, desk, self._guard))
                opened.callback(others[-1].close)
            opened.pop_all()
        intake = Intake(lossless, others)
        self.endpoints.update(intake.endpoints)
        return intake

    def _model_card(self) -> dict[str, Any]:
        model = self._models.serving
        return {**model.describe(), "manifest": model.manifest.model_dump(mode="json")}

    def _run_commit(self, publisher: Publisher, beat: Beat) -> None:
        self._commit.run(publisher, self._arrived, beat)

    def _run_gate(self, gate: Gate, beat: Beat) -> None:
        gate.run(self._gate_stops, beat)

    def _run_control(self, control: Control, beat: Beat) -> None:
        control.run(self._control_stops, beat)

    def _run_intake(self, intake: Intake, beat: Beat) -> None:
        intake.run(self._frames, self._entries, self._answers, self._signs, beat)
