"""A daemon's status with something in every part of it, and daemons that are asked."""

from typing import Any

from phenostream.daemon.client.errors import Unreachable

RUN = "01976f00-0000-7000-8000-000000000001"
STATUS: dict[str, Any] = {
    "state": "degraded",
    "version": "0.1.0",
    "faults": {"engine": "openvino: down"},
    "fault_history": {
        "engine": {"open": True, "reason": "openvino: down", "count": 2, "for_s": 3.0},
        "cells": {"open": False, "reason": "6 of 1000", "count": 1, "for_s": 9.0},
    },
    "uptime_s": 61.5,
    "ledger": {
        "total": {
            "received": 20,
            "published": 15,
            "dropped": 0,
            "quarantined": 3,
            "failed": 1,
            "in_flight": 1,
            "quarantined.shape": 2,
            "quarantined.encoding": 1,
            "failed.engine": 1,
            "gaps": 4,
            "missing": 2,
            "duplicates": 50,
            "malformed": 60,
            "cells_found": 100,
            "cells_classified": 80,
            "cells_edge": 12,
            "cells_rejected": 8,
            "cells_over_limit": 0,
            "cells_failed": 0,
        },
        "runs": {RUN: {"received": 20, "published": 15}, "b": {"received": 0}},
        "ended": ["b"],
    },
    "meters": {
        "stages": {
            "queue": {"count": 16, "sum_s": 0.8, "buckets": [[0.01, 4], [0.1, 15]]},
            "total": {"count": 16, "sum_s": 2.4, "buckets": [[0.01, 0], [0.1, 12]]},
        },
        "cells": {
            "ood": 5,
            "classes": {"lymphocyte": 30, "granulocyte": 40, "monocyte": 10},
        },
        "commit": {
            "fdatasync": {"count": 9, "sum_s": 0.02, "buckets": [[0.001, 3], [0.01, 9]]},
            "records": 21,
            "bytes": 40960,
        },
        "arrivals": {"received": 12, "duplicates": 5, "malformed": 6},
        "credit": {"connections": 1, "bytes_each": 1 << 27, "outstanding_bytes": 4096},
    },
    "journal": {"oldest": 7, "newest": 41, "losses": [{"first": 1}]},
    "disk": {"journal": {"free_bytes": 5_000, "size_bytes": 80_000}},
    "queues": {"frames": 3, "batches": 1, "entries": 2},
    "assembling": {"frames": 1, "bytes": 1024},
    "quarantine": {"held": 3, "removed": 1, "not_kept": 0},
    "sources": {"scope-2": {"socket": "pull", "link": "bind", "messages": 9, "frames": 9}},
    "security": {
        "keys": True,
        "allowed": 4,
        "reloads": 1,
        "refused": 2,
        "plain": [],
        "sockets": {
            "ingest": {"connections": 2, "over_budget": 0, "over_cap": 1, "removed": 0},
        },
    },
    "model": {
        "name": "demo",
        "version": "3",
        "sha256": "ab" * 32,
        "signed_by": None,
        "classes": ["lymphocyte", "granulocyte", "monocyte"],
        "backend": "onnxruntime",
        "device": "CPU",
        "precision": "fp32",
        "calibrated": True,
    },
    "model_synthetic": True,
    "source_synthetic": False,
    "inference": {
        "backends": [
            {"backend": "openvino", "state": "down", "reason": "openvino: down", "outages": 2},
            {"backend": "onnxruntime", "state": "up", "reason": None, "outages": 0},
        ],
        "retries": 1,
        "calls_given_up": 0,
        "cells_failed": 0,
    },
    "drift": {
        "alarms_opened": 3,
        "instruments": {
            "scope": {
                "run": RUN,
                "open": True,
                "against": [
                    {
                        "against": "training",
                        "alarms": ["unusual"],
                        "shifts": [
                            {"quantity": "unusual", "before": 0.01, "now": 0.21, "tolerance": 0.1},
                            {"quantity": "rejected", "before": 0.3, "now": 0.25, "tolerance": 0.1},
                        ],
                    }
                ],
            },
            "other": {
                "run": RUN,
                "open": True,
                "against": [
                    {
                        "against": "training",
                        "alarms": ["unusual"],
                        "shifts": [
                            {"quantity": "unusual", "before": 0.01, "now": 0.02, "tolerance": 0.1},
                            {"quantity": "rejected", "before": 0.3, "now": 0.2, "tolerance": 0.1},
                        ],
                    }
                ],
            },
            "ended": {
                "run": RUN,
                "open": False,
                "against": [{"against": "training", "alarms": ["rejected"], "shifts": []}],
            },
        },
    },
    "summariser": {
        "heard_s": 4.0,
        "llm": {"name": "smollm2", "sha256": "cd" * 32, "binding": "xllamacpp"},
        "worded": 7,
        "refused": 1,
        "skipped": 0,
        "unworded": 2,
        "last_seconds": 2.5,
        "reason": None,
    },
}
CARD: dict[str, Any] = {**STATUS["model"], "manifest": {"synthetic": True}}


class ToyDaemon:
    """Says what it was given, as often as it is asked.

    Attributes:
        asked: What it was asked.
        says: Its status; None: it is away.
        closed: Whether its client was closed.
    """

    def __init__(self, says: dict[str, Any] | None = STATUS) -> None:
        self.asked: list[str] = []
        self.says = says
        self.closed = False

    async def status_async(self) -> dict[str, Any]:
        return self._told("status", self.says)

    async def model_async(self) -> dict[str, Any]:
        return self._told("model", CARD)

    def close(self) -> None:
        self.closed = True

    def _told(self, what: str, told: dict[str, Any] | None) -> dict[str, Any]:
        self.asked.append(what)
        if self.says is None or told is None:
            raise Unreachable(f"ipc:///x: no answer to {what} within 2 s")
        return told
