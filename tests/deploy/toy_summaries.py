"""Records of cells and populations that nobody saw, as a daemon would have them in its journal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from phenostream.daemon.journal.log import Journal
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.results import FrameRecord, WireColumn, encode_frame
from tests.engine.summary.populations import population

A, B = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b3020abcdef0"


def a_summary(seed: int, scope: str, run: str, **changes: Any) -> dict[str, Any]:
    """The body of one record, of the population of this seed."""
    facts = population(seed).as_dict()
    return {
        "v": 1,
        "type": "summary",
        "scope": scope,
        "run": run,
        "instrument": "scope-1",
        "synthetic": facts["synthetic"],
        "text": f"words of {seed}",
        "of_offset": None,
        "source": "template",
        "facts": facts | {"scope": scope, "run": run},
    } | changes


def a_journal(
    directory: Path, bodies: Sequence[dict[str, Any]], frames: Sequence[FrameRecord] = ()
) -> Path:
    """A journal of a run of these frames, and of these summaries."""
    journal = Journal(directory)
    if frames:
        started = {"v": 1, "type": "status", "event": "run_started", "run": frames[0].meta["run"]}
        journal.append([("status", pack(started))])
    journal.append([("result", encode_frame(frame)) for frame in frames])
    journal.append([("summary", pack(body)) for body in bodies])
    journal.sync()
    journal.close()
    return directory


def a_frame(
    seed: int, run: str, frame_seq: int, cells: int = 20, sha256: str = "ab" * 32
) -> FrameRecord:
    """A published frame of cells with random numbers, of a model that says how its markers are scaled."""
    dice = np.random.default_rng(seed)
    status = dice.choice([0, 0, 0, 1, 2], cells).astype(np.uint8)
    seen, classified = status != 1, status == 0
    probability = np.where(seen[:, None], dice.dirichlet([1, 1, 1], cells), np.nan)
    kind = np.where(classified, np.argmax(np.nan_to_num(probability), axis=1), 255)
    z = np.where(seen[:, None], dice.normal(size=(cells, 4)), np.nan)
    arrays: dict[str, Any] = {
        "index": np.arange(cells, dtype=np.uint32),
        **{
            name: dice.uniform(1, 50, cells).astype(np.float32)
            for name in ("y_px", "x_px", "diameter_um", "contrast")
        },
        "status": status,
        "class": kind.astype(np.uint8),
        "class_probability": probability.astype(np.float32),
        "marker_z": z.astype(np.float32),
        "marker_estimate": (10**z).astype(np.float32),
        "marker_low": (10 ** (z - 1)).astype(np.float32),
        "marker_high": (10 ** (z + 1)).astype(np.float32),
        "ood_score": np.where(seen, dice.uniform(0, 2, cells), np.nan).astype(np.float32),
        "ood": classified & (dice.uniform(size=cells) < 0.2),
        "reject_probability": np.where(seen, dice.uniform(size=cells), np.nan).astype(np.float32),
    }
    return FrameRecord(
        {
            "v": 1,
            "type": "result",
            "run": run,
            "instrument": "scope-1",
            "frame_seq": frame_seq,
            "fate": "published",
            "reason": None,
            "flags": {"dark": frame_seq % 3 == 0},
            "model": MODEL | {"sha256": sha256},
            "model_synthetic": True,
            "source_synthetic": False,
            "synthetic": True,
            "counts": {"found": cells},
        },
        {name: WireColumn(array, "1") for name, array in arrays.items()},
    )


MODEL: dict[str, Any] = {
    "name": "toy",
    "version": "1",
    "classes": ["lymphocyte", "monocyte", "granulocyte"],
    "markers": ["CD123/HLA-DR/CD14", "CD3/CD19/CD56", "CD45", "CD16"],
    "calibrated": True,
    "interval_coverage": 0.9,
    "marker_unit": "a.u.",
    "marker_transform": {"scale": "log10", "mean": [0.0] * 4, "sd": [1.0] * 4},
    "interval_half_width_z": [1.0] * 4,
    "ood_threshold": 1.5,
    "reject_threshold": 0.5,
}
