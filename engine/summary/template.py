"""A window's facts as two or three plain sentences: the reporter that is always there.

Every number comes from the facts, formatted here. It names a majority only where one class holds more than half of
the classified cells, names pooled channels as pooled, and says what is synthetic, uncalibrated, and not a diagnosis.
"""

from dataclasses import asdict
from typing import Final

from phenostream.engine.summary.facts import (
    ClassFacts,
    Facts,
    FlaggedFrames,
    FrameAccount,
    MarkerFacts,
)

_FLAG_WORDS: Final = {
    "residual_high": "whose light does not add",
    "misoriented": "with shots that are not what they are called",
}


def write_summary(facts: Facts) -> str:
    """Describe one window.

    Returns:
        Plain English on one line.
    """
    sentences = [_counts(facts)]
    if facts.flagged.frames:
        sentences.append(_flagged(facts.flagged))
    if facts.classified:
        sentences += [_composition(facts), _markers(facts)]
        sentences += _unchecked(facts)
    sentences.append(_caveat(facts))
    return " ".join(sentences)


def _counts(facts: Facts) -> str:
    frames = f"{facts.frames:,} frame{_s(facts.frames)}"
    others = facts.by_other_models
    if facts.account is not None and facts.account.published != facts.account.announced:
        frames += f" ({_lost(facts.account, others)})"
    elif others:
        frames += f" ({others:,} more of the run {_were(others)} seen by another model)"
    if not facts.found:
        return f"No cells were found in {frames}."
    fates = [f"{facts.classified:,} classified"]
    fates += [f"{facts.rejected:,} rejected as not a white cell"] if facts.rejected else []
    fates += [f"{facts.edge:,} at a frame's edge"] if facts.edge else []
    fates += [f"{facts.over_limit:,} beyond the limit per frame"] if facts.over_limit else []
    fates += [f"{facts.failed:,} that the engine failed on"] if facts.failed else []
    return f"{_listed(fates)} of {facts.found:,} cell{_s(facts.found)} found in {frames}."


def _lost(account: FrameAccount, others: int) -> str:
    """What a reader must know before the first count: some frames are not in it."""
    fates = ("dropped", "quarantined", "failed", "missing")
    said = [f"{getattr(account, fate):,} {fate}" for fate in fates if getattr(account, fate)]
    said += [f"{others:,} seen by another model"] if others else []
    whole = f"{account.published - others:,} of {account.announced:,} announced are in this summary"
    return f"{whole}: {_listed(said)}" if said else whole


def _flagged(flagged: FlaggedFrames) -> str:
    counts = {kind: count for kind, count in asdict(flagged).items() if kind != "frames" and count}
    said = [f"{count:,} {_FLAG_WORDS.get(kind, kind)}" for kind, count in counts.items()]
    return f"{flagged.frames:,} frame{_s(flagged.frames)} {_were(flagged.frames)} flagged: {_listed(said)}."


def _composition(facts: Facts) -> str:
    ordered = sorted(facts.classes, key=lambda one: -one.count)
    shares = [_share(one) for one in ordered if one.count]
    absent = [f"no {one.name}s" for one in ordered if not one.count]
    listed = _listed(shares + absent)
    majority = facts.majority
    lead = f"mostly {majority.name}s" if majority else "no class a majority"
    confidence = f"mean confidence {_percent(facts.mean_confidence or 0.0)}"
    if not facts.calibrated:
        confidence += ", uncalibrated"
    unusual = (
        f"; {facts.unusual:,} ({_percent(facts.unusual_share)}) look unlike the training cells"
        if facts.unusual and facts.unusual_share is not None
        else ""
    )
    return f"Classified cells, {lead}: {listed} ({confidence}){unusual}."


def _share(one: ClassFacts) -> str:
    interval = f"95 % interval {_percent(one.share_low)} to {_percent(one.share_high)}"
    return f"{_percent(one.share)} {one.name}s ({interval})"


def _markers(facts: Facts) -> str:
    largest = max(facts.classes, key=lambda one: one.count)
    values = "; ".join(_marker(marker) for marker in largest.markers)
    interval = (
        "without an interval, for this model has none"
        if facts.interval_coverage is None
        else f"with the nominal {100 * facts.interval_coverage:g} % interval of a single such cell"
    )
    return (
        f"Estimated median signal of the {largest.count:,} {largest.name}{_s(largest.count)}, {interval} "
        f"(unit: {facts.marker_unit}): {values}."
    )


def _unchecked(facts: Facts) -> list[str]:
    """What the model cannot say of a cell, so that its silence is not taken for a good sign."""
    unsaid = [] if facts.rejects else ["whether a cell is a white cell at all"]
    unsaid += ["whether it is like the training cells"] if facts.unusual is None else []
    return [f"This model does not tell {_listed(unsaid, 'or')}."] if unsaid else []


def _marker(marker: MarkerFacts) -> str:
    proteins = marker.name.split("/")
    pooled = len(proteins) > 1
    name = (
        f"at least one of {_listed(proteins, 'or')} (pooled, cannot be separated)"
        if pooled
        else marker.name
    )
    if marker.cell_low is None or marker.cell_high is None:
        return f"{name} {_value(marker.median)}"
    return (
        f"{name} {_value(marker.median)} ({_value(marker.cell_low)} to {_value(marker.cell_high)})"
    )


def _caveat(facts: Facts) -> str:
    synthetic = (
        "Synthetic: from simulated cells or a model trained on them. " if facts.synthetic else ""
    )
    return f"{synthetic}Research use only, not a diagnosis."


def _listed(items: list[str], word: str = "and") -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _value(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
