"""What every page has: head, style, banners, contents and footer; and the sections of one evaluation in their order."""

from typing import Final

from markupsafe import Markup

from phenostream.trainer.evaluation.report.environment import TEMPLATES, environment
from phenostream.trainer.evaluation.report.markup import made_here
from phenostream.trainer.evaluation.schema.document import DataSection, Evaluation

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

NOTICE: Final = (
    "Intervals are 95 %, bootstrapped over whole fields of view, and cover the choice of test cells only: not another "
    "training, another slide or another donor. The numbers of this page, complete and unrounded, are in the JSON file "
    "beside it."
)
"""What the foot of an evaluation's page says of its numbers."""


def page(
    title: str,
    subtitle: str,
    synthetic: str,
    contents: list[tuple[str, str]],
    body: Markup,
    quick: bool = False,
    notice: str = NOTICE,
) -> str:
    """The frame around any report.

    Args:
        title: Of the page.
        subtitle: One sentence.
        synthetic: What is simulated, one sentence; empty where nothing is.
        contents: Id and name of each section, in order.
        body: The sections.
        quick: Training was cut short.
        notice: What the foot says of the numbers, after what they may be used for.
    """
    text = environment().get_template("page.html").render(
        title=title, subtitle=subtitle, synthetic=synthetic, contents=contents, body=body,
        quick=quick, notice=notice, css=made_here((TEMPLATES / "page.css").read_text("utf-8")),
    )  # fmt: skip
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"


def sections(evaluation: Evaluation, prefix: str) -> Markup:
    """Every section of one evaluation; ids begin with the prefix, so that several fit on a page."""
    text = environment().get_template("evaluation.html").render(
        it=evaluation, at=prefix, sections=list(SECTIONS)
    )  # fmt: skip
    return made_here(text)


def data_section(data: DataSection, synthetic: bool) -> Markup:
    """The section on the data alone, where nothing was evaluated."""
    it = {"data": data, "synthetic": synthetic, "headline": {"refusal": None}}
    text = environment().get_template("evaluation.html").render(it=it, at="", sections=["data"])
    return made_here(text)
