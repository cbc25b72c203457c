"""What may not be left out of a summary, whatever its style."""

from collections.abc import Iterator

from tests.truth.context import Context
from tests.truth.phrases import caveats


def omissions(context: Context) -> Iterator[str]:
    """What is missing."""
    facts, said = context.facts, context.said
    if caveats.RESEARCH_ONLY not in said:
        yield "that it is for research only, and no diagnosis"
    if facts.synthetic and caveats.SYNTHETIC not in said:
        yield "that it is synthetic"
    if not facts.calibrated and "mean confidence" in said and "uncalibrated" not in said:
        yield "that the confidence is uncalibrated"
    if any(name.startswith("median") for name in said) and "unit" not in said:
        yield "the unit of the medians"
    if facts.flagged.frames and "frames flagged" not in said:
        yield "that frames were flagged"
    if facts.by_other_models and "frames of another model" not in said:
        yield "that another model saw frames of the run"
    if any(one.beyond for one in facts.drift) and "drift" not in said:
        yield "that quantities have drifted"
    account = facts.account
    lossy = account is not None and account.published != account.announced
    if lossy and "frames of those announced" not in said:
        yield "that frames of the run are not in it"
    for fate in ("dropped", "quarantined", "failed", "missing"):
        if account is not None and getattr(account, fate) and f"frames {fate}" not in said:
            yield f"that frames are {fate}"
