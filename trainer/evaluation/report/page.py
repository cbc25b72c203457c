"""The page: one self-contained HTML file for one evaluation, or for a reproduction over several seeds.

The order is that of a reader's questions: what can be said, on which data, how good beside what needs no skill, how far
to trust a probability and an interval, what is refused, and how to get the same again. Names and sentences come from
files and are escaped; nothing on the page points outside it. The same document gives the same bytes.
"""

from phenostream.trainer.evaluation.report.environment import environment
from phenostream.trainer.evaluation.report.frame import SECTIONS, page, sections
from phenostream.trainer.evaluation.report.markup import made_here
from phenostream.trainer.evaluation.report.reproduction_page import render_reproduction
from phenostream.trainer.evaluation.report.tiles import tiles
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.reproduction import Reproduction

Document = Evaluation | Reproduction


def render(document: Document) -> str:
    """The whole page.

    Args:
        document: With every section that was measured; what was not is said to be missing.
    """
    if isinstance(document, Reproduction):
        return render_reproduction(document)
    return _render_evaluation(document)


def _render_evaluation(evaluation: Evaluation) -> str:
    refusal = evaluation.headline.refusal
    verdict = environment().get_template("verdict.html").render(
        synthetic=evaluation.synthetic,
        refusals=[refusal] if refusal else [],
        lines=evaluation.headline.lines,
        tiles=tiles(evaluation),
        verdicts=(),
        checks={},
        notes=(),
    )  # fmt: skip
    return page(
        title=f"{evaluation.subject.name} on {evaluation.data.facts.name}",
        subtitle=f"Evaluation of one model on held-out cells, split: {evaluation.data.facts.protocol}.",
        synthetic=_what_is_synthetic(evaluation),
        contents=[("verdict", "Verdict"), *SECTIONS.items()],
        body=made_here(verdict) + sections(evaluation, ""),
    )


def _what_is_synthetic(evaluation: Evaluation) -> str:
    """One sentence on what is simulated; empty where nothing is."""
    cells, model = evaluation.data.facts.synthetic, evaluation.subject.synthetic
    if cells and model:
        return "Cells and training are simulated."
    if cells:
        return "The cells are simulated."
    return "The model was trained on simulated cells." if model else ""
