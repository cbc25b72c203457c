"""The templates of the page, and what they may call: numbers in words, drawings, and small questions to a document.

Whatever a template prints is escaped, unless it was made here (`markup`).
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from phenostream.engine.types import CLASSES
from phenostream.trainer.evaluation.gallery import RULES
from phenostream.trainer.evaluation.report import glyph, pictures, wording
from phenostream.trainer.evaluation.schema.comparisons import Ablation, GalleryCell
from phenostream.trainer.evaluation.schema.document import PartCounts
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.performance import (
    MarkerFigures,
    OutlierKind,
    Outliers,
    ScaleFigures,
)

TEMPLATES: Final = Path(__file__).parent / "templates"
_PROTOCOLS: Final = {
    "paper": "random by cell, duplicates kept: only for comparison with the published number",
    "clean": "random by cell, every cell once; cells of one field of view stand on both sides",
    "fov": "whole fields of view, with a margin between the sides",
    "slide": "whole slides",
    "condition": "trained on one staining, tested on others",
    "simulated": "every part drawn anew; no part shares an object or a frame",
}


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates with what they may call; whatever they print is escaped unless it was made here."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=wording.number,
        signed=wording.signed,
        short=wording.short,
        interval=wording.interval,
        count=wording.count,
        percent=wording.percent,
        glyph=glyph.glyph,
        coverage_axis=glyph.coverage_axis,
        within=_within,
        beyond_class=beyond_class,
        names=_names,
        kinds=_kinds,
        marker_names=_marker_names,
        outlier_rows=_outlier_rows,
        by_reason=_by_reason,
        plain=_plain,
        has_oracle=_has_oracle,
    )
    made.globals.update(
        axis={
            "share": glyph.SHARE,
            "correlation": glyph.CORRELATION,
            "auroc": glyph.AUROC,
            "difference": glyph.DIFFERENCE,
        },
        draw=pictures,
        rules=RULES,
        classes=CLASSES,
        nothing=wording.NOTHING,
        minus=wording.MINUS,
        protocol_note=_protocol_note,
    )
    return made


def beyond_class(marker: MarkerFigures) -> str:
    """Whether a marker is told beyond the class, in one sentence (SPEC g.4: only where an interval excludes 0)."""
    proven = [one for one in marker.log.within if one.beyond_class]
    if not proven:
        return "No evidence of marker information beyond the class: no r within a class has its whole interval above 0."
    said = wording.listing([f"{one.name}s (r {wording.with_interval(one.r, 2)})" for one in proven])
    return f"Marker information beyond the class within {said}."


def _within(scale: ScaleFigures, name: str) -> Figure | None:
    return next((one.r for one in scale.within if one.name == name), None)


def _names(first: dict[str, int], second: dict[str, int]) -> list[str]:
    """Keys of both, each once."""
    return list(dict.fromkeys([*first, *second]))


def _kinds(parts: tuple[PartCounts, ...]) -> list[str]:
    """Kinds that any part has."""
    return list(dict.fromkeys(kind for part in parts for kind, n in part.kinds.items() if n))


def _marker_names(ablations: tuple[Ablation, ...]) -> list[str]:
    return list(dict.fromkeys(name for one in ablations for name in one.marker_r))


def _has_oracle(markers: tuple[MarkerFigures, ...]) -> bool:
    return any(one.oracle_r is not None for marker in markers for one in marker.log.within)


def _outlier_rows(outliers: Outliers) -> list[OutlierKind]:
    """Every kind, and last the three that a stream always holds taken together."""
    return [*outliers.kinds, *([outliers.together] if outliers.together else [])]


def _by_reason(cells: tuple[GalleryCell, ...]) -> dict[str, list[GalleryCell]]:
    """In the order in which the reasons first appear."""
    found: dict[str, list[GalleryCell]] = {}
    for cell in cells:
        found.setdefault(cell.reason, []).append(cell)
    return found


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _protocol_note(protocol: str) -> str:
    text = _PROTOCOLS.get(protocol)
    return f" ({text})" if text else ""
