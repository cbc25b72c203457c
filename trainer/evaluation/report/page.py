"""The page: one self-contained HTML file for one evaluation, or for a reproduction over several seeds.

The order is that of a reader's questions: what can be said, on which data, how good beside what needs no skill, how far
to trust a probability and an interval, what is refused, and how to get the same again. Names and sentences come from
files and are escaped; nothing on the page points outside it. The same document gives the same bytes.
"""

from typing import Any, Final

from markupsafe import Markup

from phenostream.trainer.evaluation.document import Evaluation
from phenostream.trainer.evaluation.report.environment import TEMPLATES, environment
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
        quick=quick, css=made_here((TEMPLATES / "page.css").read_text("utf-8")),
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
    context: dict[str, Any] = {
        "synthetic": document.synthetic,
        "refusals": document.refusals,
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
    facts = first.data.facts if first else document.data
    data = facts.name if facts else "no data"
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
