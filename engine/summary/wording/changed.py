"""Which changes are told first: the largest, shares before markers."""

from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange, Verdict


def changed(comparison: Comparison) -> list[ShareChange | MarkerChange]:
    """What is up or down: shares by their difference, then markers by their superiority, the largest first."""
    shares = [one for one in comparison.shares if one.verdict in ("up", "down")]
    markers = [one for one in comparison.markers if one.verdict in ("up", "down")]
    return [
        *sorted(shares, key=lambda one: -abs(one.difference)),
        *sorted(markers, key=lambda one: -abs((one.superiority or 0.0) - 0.5)),
    ]


def told_of(comparison: Comparison, verdict: Verdict) -> list[ShareChange | MarkerChange]:
    """What this was found of, as in the comparison."""
    return [one for one in comparison.changes if one.verdict == verdict]
