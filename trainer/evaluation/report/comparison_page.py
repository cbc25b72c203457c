"""A comparison of two runs as one page of the same kind as a report."""

from itertools import groupby

from phenostream.trainer.evaluation.compare import Comparison
from phenostream.trainer.evaluation.report.environment import environment
from phenostream.trainer.evaluation.report.frame import page
from phenostream.trainer.evaluation.report.markup import made_here


def render_comparison(comparison: Comparison) -> str:
    """The whole page; a run that may not be compared is shown beside the other without differences."""
    sections = {
        name: list(rows) for name, rows in groupby(comparison.rows, key=lambda row: row.section)
    }
    body = environment().get_template("comparison.html").render(
        it=comparison, synthetic=comparison.synthetic, sections=sections
    )  # fmt: skip
    return page(
        title=f"{comparison.second.model} against {comparison.first.model}",
        subtitle="Two runs side by side. A is the first, B the second.",
        synthetic="At least one of the two is simulated." if comparison.synthetic else "",
        contents=[("verdict", "Verdict"), *((name, name.capitalize()) for name in sections)],
        body=made_here(body),
    )
