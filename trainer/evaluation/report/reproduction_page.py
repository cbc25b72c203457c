"""The page of a reproduction: the verdict and what moved between the seeds first, then every seed in full."""

from typing import Any

from markupsafe import Markup

from phenostream.trainer.evaluation.report.environment import environment
from phenostream.trainer.evaluation.report.frame import SECTIONS, data_section, page, sections
from phenostream.trainer.evaluation.report.markup import made_here
from phenostream.trainer.evaluation.schema.document import DataSection
from phenostream.trainer.evaluation.schema.reproduction import Reproduction


def render_reproduction(document: Reproduction) -> str:
    """The whole page; of a run that trained nothing, why, and what is known of the cells."""
    get = environment().get_template
    context = _context(document)
    body = get("reproduction.html").render(
        verdict=made_here(get("verdict.html").render(context)),
        seeds=made_here(get("seeds.html").render(context)) if document.seeds else "",
        evaluations=[
            (seed, sections(one, f"seed-{seed}-"))
            for seed, one in zip(document.seeds, document.evaluations, strict=True)
        ],
        data=_data_alone(document),
        synthetic=document.synthetic,
    )
    facts = document.evaluations[0].data.facts if document.evaluations else document.data
    count = len(document.seeds)
    return page(
        title=f"Reproduction on {facts.name if facts else 'no data'}, protocol {document.protocol}",
        subtitle=f"{count} training{'' if count == 1 else 's'} of one recipe on one split.",
        synthetic="The cells are simulated." if document.synthetic else "",
        contents=_contents(document),
        body=made_here(body),
        quick=document.quick,
    )


def _context(document: Reproduction) -> dict[str, Any]:
    """What verdict, seeds and gaps are made from; the headline of single seeds stays with them."""
    return {
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


def _contents(document: Reproduction) -> list[tuple[str, str]]:
    if not document.seeds:
        return [("verdict", "Verdict"), *([("data", SECTIONS["data"])] if document.data else [])]
    own = [("verdict", "Verdict"), ("seeds", "Seeds"), ("gaps", "Gaps")]
    return own + [(f"seed-{document.seeds[0]}-{id}", name) for id, name in SECTIONS.items()]


def _data_alone(document: Reproduction) -> Markup:
    if document.evaluations or document.data is None:
        return Markup()
    return data_section(DataSection(facts=document.data, parts=()), document.synthetic)
