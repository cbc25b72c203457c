"""What a run's cells are, as tables: one line a class, and a line for each of the first cells."""

import math
from typing import TYPE_CHECKING, Any, Final

from phenostream.deploy.cli.terminal import say, say_table

if TYPE_CHECKING:
    from phenostream.daemon.wire.results import FrameRecord
    from phenostream.deploy.demo import Seen

_SAMPLE_ROWS: Final = 6


def say_population(seen: "Seen") -> None:
    """The classes of a run: share with its interval, confidence and medians."""
    facts = seen.summary["facts"]
    markers: list[dict[str, Any]] = next(
        (one["markers"] for one in facts["classes"] if one["markers"]), []
    )
    say()
    say_table(
        [
            "class",
            "cells",
            "share",
            "95 % interval",
            "confidence",
            *(f"{m['name']} median" for m in markers),
        ],
        [
            (
                one["name"],
                one["count"],
                f"{100 * one['share']:.1f} %",
                f"{100 * one['share_low']:.1f} to {100 * one['share_high']:.1f} %",
                "none"
                if one["mean_confidence"] is None
                else f"{100 * one['mean_confidence']:.1f} %",
                *([f"{m['median']:.3g}" for m in one["markers"]] or ["none"] * len(markers)),
            )
            for one in facts["classes"]
        ],
    )
    rejected = (
        f"{facts['rejected']} cells rejected as no white cell"
        if facts["rejects"]
        else "this model cannot reject what is no white cell"
    )
    say(f"markers in {facts['marker_unit']}; {rejected}")


def say_some_cells(frames: "list[FrameRecord]") -> None:
    """The first cells that were classified, each with its interval."""
    rows: list[tuple[str, ...]] = []
    for frame in frames:
        if not frame.columns:
            continue
        columns = {name: column.values for name, column in frame.columns.items()}
        names = frame.meta["model"]["classes"]
        for cell in (columns["class"] < len(names)).nonzero()[0][: _SAMPLE_ROWS - len(rows)]:
            kind = int(columns["class"][cell])
            low, high = columns["marker_low"][cell][-1], columns["marker_high"][cell][-1]
            interval = "no interval" if math.isnan(low) else f"{low:.3g} to {high:.3g}"
            told = frame.meta["model"]["ood_threshold"] is not None
            rows.append(
                (
                    f"{frame.meta['frame_seq']}/{cell}",
                    f"{columns['x_px'][cell]:.1f}",
                    f"{columns['y_px'][cell]:.1f}",
                    f"{columns['diameter_um'][cell]:.1f}",
                    names[kind],
                    f"{100 * columns['class_probability'][cell][kind]:.1f} %",
                    f"{columns['marker_estimate'][cell][-1]:.3g} ({interval})",
                    "n/a" if not told else "yes" if columns["ood"][cell] else "no",
                )
            )
        if len(rows) == _SAMPLE_ROWS:
            break
    if rows:
        say(f"\nthe first {len(rows)} classified cells:")
        say_table(
            [
                "frame/cell",
                "x px",
                "y px",
                "um",
                "class",
                "confidence",
                "CD16 (interval)",
                "unusual",
            ],
            rows,
        )
