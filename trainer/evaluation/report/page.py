"""The page: one self-contained HTML file for one evaluation, or for a reproduction over several seeds.

The order is that of a reader's questions: what can be said, on which data, how good beside what needs no skill, how far
to trust a probability and an interval, what is refused, and how to get the same again. Names and sentences come from
files and are escaped; nothing on the page points outside it. The same document gives the same bytes.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from phenostream.engine.types import CLASSES
from phenostream.trainer.evaluation.comparisons import Ablation
from phenostream.trainer.evaluation.document import Evaluation, PartCounts
from phenostream.trainer.evaluation.figure import Figure
from phenostream.trainer.evaluation.performance import (
    MarkerFigures,
    OutlierKind,
    Outliers,
    ScaleFigures,
)
from phenostream.trainer.evaluation.report import glyph, pictures, wording
from phenostream.trainer.evaluation.report.markup import made_here
from phenostream.trainer.evaluation.report.tiles import tiles
from phenostream.trainer.evaluation.reproduction import Reproduction

Document = Evaluation | Reproduction
SECTIONS: Final = {
    "data": "Data",
    "classification": "Classes",
    "markers": "Markers",
    "calibration": "Calibration",
    "coverage": "Coverage",
    "outliers": "Outliers",
    "controls": "Controls",
    "ablations": "Ablations",
    "gallery": "Gallery",
    "references": "Published numbers",
    "provenance": "Provenance",
}
"""Sections of one evaluation, in order: name of the template, and of the entry in the contents."""
_TEMPLATES: Final = Path(__file__).parent / "templates"
_PROTOCOLS: Final = {
    "paper": "random by cell, duplicates kept: only for comparison with the published number",
    "clean": "random by cell, every cell once; cells of one field of view stand on both sides",
    "fov": "whole fields of view, with a margin between the sides",
    "slide": "whole slides",
    "condition": "trained on one staining, tested on others",
    "simulated": "every part drawn anew; no part shares an object or a frame",
}


def render(document: Document) -> str:
    """The whole page.

    Args:
        document: With every section that was measured; what was not is said to be missing.
    """
    if isinstance(document, Reproduction):
        return _reproduction_page(document)
    verdict = environment().get_template("verdict.html")
    said = {
        "synthetic": document.synthetic,
        "refusals": [document.headline.refusal] if document.headline.refusal else [],
        "lines": document.headline.lines,
        "tiles": tiles(document),
        "verdicts": (),
        "checks": {},
        "notes": (),
    }
    return page(
        title=f"{document.subject.name} on {document.data.facts.name}",
        subtitle=f"Evaluation of one model on held-out cells, split: {document.data.facts.protocol}.",
        synthetic=what_is_synthetic(document),
        contents=[("verdict", "Verdict"), *SECTIONS.items()],
        body=made_here(verdict.render(said)) + _sections(document, ""),
    )


def page(
    title: str,
    subtitle: str,
    synthetic: str,
    contents: list[tuple[str, str]],
    body: Markup,
    quick: bool = False,
) -> str:
    """The frame around any report: head, style, banners, contents, footer."""
    text = environment().get_template("page.html").render(
        title=title, subtitle=subtitle, synthetic=synthetic, contents=contents, body=body,
        quick=quick, css=made_here((_TEMPLATES / "page.css").read_text("utf-8")),
    )  # fmt: skip
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"


def what_is_synthetic(evaluation: Evaluation) -> str:
    """One sentence on what is simulated; empty where nothing is."""
    cells, model = evaluation.data.facts.synthetic, evaluation.subject.synthetic
    if cells and model:
        return "Cells and training are simulated."
    if cells:
        return "The cells are simulated."
    return "The model was trained on simulated cells." if model else ""


def _reproduction_page(document: Reproduction) -> str:
    first = document.evaluations[0] if document.evaluations else None
    refusals = list(
        dict.fromkeys(one.headline.refusal for one in document.evaluations if one.headline.refusal)
    )
    context: dict[str, Any] = {
        "synthetic": document.synthetic,
        "refusals": refusals,
        "lines": (),
        "tiles": (),
        "verdicts": document.verdicts,
        "checks": document.checks,
        "notes": document.notes,
        "seeds": document.seeds,
        "spread": document.spread,
        "gaps": document.gaps,
    }
    many = [
        (seed, _sections(one, f"seed-{seed}-"))
        for seed, one in zip(document.seeds, document.evaluations, strict=True)
    ]
    get = environment().get_template
    body = get("reproduction.html").render(
        verdict=made_here(get("verdict.html").render(context)),
        seeds=made_here(get("seeds.html").render(context)),
        evaluations=many,
        synthetic=document.synthetic,
    )
    opened = f"seed-{document.seeds[0]}-" if document.seeds else ""
    data = first.data.facts.name if first else "no data"
    return page(
        title=f"Reproduction on {data}, protocol {document.protocol}",
        subtitle=f"{len(document.seeds)} trainings of the same recipe on the same split protocol.",
        synthetic="The cells are simulated." if document.synthetic else "",
        contents=[
            ("verdict", "Verdict"),
            ("seeds", "Seeds"),
            ("gaps", "Gaps"),
            *((f"{opened}{name}", text) for name, text in SECTIONS.items() if many),
        ],
        body=made_here(body),
        quick=document.quick,
    )


def _sections(evaluation: Evaluation, prefix: str) -> Markup:
    """Every section of one evaluation; ids begin with the prefix, so that several fit on a page."""
    text = environment().get_template("evaluation.html").render(
        it=evaluation, at=prefix, sections=list(SECTIONS)
    )  # fmt: skip
    return made_here(text)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates with what they may call; whatever they print is escaped unless it was made here."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
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
        return "No evidence of marker information beyond the class: no r within a class excludes 0."
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


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _protocol_note(protocol: str) -> str:
    text = _PROTOCOLS.get(protocol)
    return f" ({text})" if text else ""
