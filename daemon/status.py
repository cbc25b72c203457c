"""What a daemon tells of itself when it is asked: one map of plain values, put together from all who know a part."""

import time
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.disk_space import disk_space
from phenostream.daemon.drifting import Drifting
from phenostream.daemon.health import Health
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.meters import Meters
from phenostream.daemon.narration import Narration
from phenostream.daemon.newest_summary import NewestSummary
from phenostream.daemon.pipeline.commit import Commit
from phenostream.daemon.pipeline.inference import Inference
from phenostream.daemon.pipeline.orientations import Orientations
from phenostream.daemon.pipeline.records import origin
from phenostream.daemon.quarantine import Quarantine
from phenostream.daemon.security.guard import Guard
from phenostream.daemon.sources.best_effort_desk import BestEffortDesk
from phenostream.daemon.sources.desk import IngestDesk
from phenostream.daemon.swap.models import Models

_RUNS_SHOWN: Final = 64
_LOSSES_SHOWN: Final = 64
_VERSION: Final = metadata.version("phenostream")
"""Of the software that runs, which is not what is installed once that was updated."""


@dataclass(frozen=True, slots=True)
class Status:
    """Who knows what; `told` may be called from any thread.

    Attributes:
        queues: By name.
        endpoints: Where the daemon listens, by section.
        folders: Where it keeps things, by what they are for.
        began_s: Monotonic clock.
    """

    health: Health
    ledger: Ledger
    journal: Journal
    queues: Mapping[str, Sized]
    desk: IngestDesk
    best_effort: Sequence[BestEffortDesk]
    quarantine: Quarantine
    endpoints: Mapping[str, str]
    guard: Guard
    models: Models
    inference: Inference
    narration: Narration
    commit: Commit
    orientations: Orientations
    meters: Meters
    newest_summary: NewestSummary
    drifting: Drifting
    folders: Mapping[str, Path]
    config_sha256: str
    began_s: float = field(default_factory=time.monotonic)

    def told(self) -> dict[str, Any]:
        """All of it; the keys are those of docs/wire.md."""
        accounts, ended = self.ledger.latest(_RUNS_SHOWN)
        model = self.models.serving
        return {
            **self.health.snapshot(),
            "version": _VERSION,
            "fault_history": self.health.past(),
            "uptime_s": round(time.monotonic() - self.began_s, 3),
            "ledger": {"total": self.ledger.total(), "runs": accounts, "ended": ended},
            "journal": {
                "oldest": self.journal.oldest,
                "newest": self.journal.newest,
                "losses": [loss.as_dict() for loss in self.journal.losses[:_LOSSES_SHOWN]],
            },
            "queues": {name: len(queue) for name, queue in self.queues.items()},
            "assembling": self.desk.assembling(),
            "meters": {
                **self.meters.told(),
                "arrivals": self.ledger.came(),
                "credit": self.desk.credit(),
            },
            "quarantine": {
                "held": len(self.quarantine),
                "removed": self.quarantine.removed,
                "not_kept": self.quarantine.not_kept,
            },
            "disk": disk_space(self.folders),
            "endpoints": dict(self.endpoints),
            "sources": {desk.config.name: desk.told() for desk in self.best_effort},
            "security": self.guard.told(),
            "model": model.describe(),
            "engine_choice": model.choice,
            "inference": self.inference.told(),
            "summariser": self.narration.told(),
            "newest_summary": self.newest_summary.told(),
            "drift": self.drifting.told(),
            **origin(
                model_synthetic=model.manifest.synthetic,
                source_synthetic=self.commit.source_synthetic,
            ),
            "orientation": self.orientations.states(),
            "config_sha256": self.config_sha256,
        }
