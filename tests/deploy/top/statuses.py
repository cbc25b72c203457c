"""Statuses of a toy daemon, as the control service tells them."""

from typing import Any

from phenostream.daemon.meters import BOUNDS_S


def histogram(*seconds: float) -> dict[str, Any]:
    """What the daemon tells of these durations."""
    buckets = [[bound_s, sum(one <= bound_s for one in seconds)] for bound_s in BOUNDS_S]
    return {"count": len(seconds), "sum_s": sum(seconds), "buckets": buckets}


def status(
    uptime_s: float, frames: int = 0, took_s: float = 0.004, **changes: Any
) -> dict[str, Any]:
    """A daemon that has published `frames` frames of ten cells, each after `took_s`; other keys are replaced."""
    times = histogram(*[took_s] * frames)
    told: dict[str, Any] = {
        "state": "ready",
        "faults": {},
        "uptime_s": uptime_s,
        "model": {
            "name": "toy",
            "version": "1",
            "backend": "fake",
            "device": "none",
            "precision": "fp32",
        },
        "queues": {"frames": 2, "batches": 1, "entries": 0},
        "ledger": {"total": {"received": frames + 1, "published": frames, "missing": 1}},
        "newest_summary": None,
        "meters": {
            "stages": dict.fromkeys(
                ("queue", "prepare", "wait", "infer", "commit", "total"), times
            ),
            "frames_by_reason": {"published": frames},
            "cells": {
                "found": 10 * frames,
                "edge": frames,
                "rejected": 0,
                "over_limit": 0,
                "failed": 0,
                "ood": frames,
                "classes": {"T cell": 6 * frames, "B cell": 3 * frames},
            },
            "commit": {"fdatasync": times, "records": frames, "bytes": 1024 * frames},
            "credit": {"connections": 1, "bytes_each": 1 << 27, "outstanding_bytes": 3 << 20},
        },
    }
    return told | changes
