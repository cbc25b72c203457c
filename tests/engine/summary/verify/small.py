"""One population of three classes and two markers, one of them pooled, for tests that are about words."""

from typing import Any

from phenostream.engine.summary.facts import ClassFacts, Facts, MarkerFacts, wilson_interval

CLASSES = ("lymphocyte", "granulocyte", "monocyte")
MARKERS = ("CD3/CD19/CD56", "CD45", "CD16")


def small_facts(counts: tuple[int, int, int], **changed: Any) -> Facts:
    """Facts with these counts; marker m of class k has the median 12.34 (k + 1) (m + 1)."""
    classified = sum(counts)
    values: dict[str, Any] = {
        "frames": 3,
        "found": classified + changed.get("rejected", 0) + changed.get("edge", 0),
        "classified": classified,
        "edge": 0,
        "rejected": 0,
        "over_limit": 0,
        "rejected_share": 0.0,
        "mean_confidence": 0.876 if classified else None,
        "unusual": 0,
        "unusual_share": 0.0,
        "classes": tuple(_class(k, count, classified) for k, count in enumerate(counts)),
        "marker_unit": "a.u.",
        "interval_coverage": 0.9,
        "calibrated": True,
        "synthetic": False,
        "model_synthetic": False,
        "source_synthetic": False,
        "model": "demo 1",
    }
    return Facts(**(values | changed))


def _class(k: int, count: int, classified: int) -> ClassFacts:
    low, high = wilson_interval(count, classified)
    markers = tuple(
        MarkerFacts(
            name,
            median := 12.34 * (k + 1) * (m + 1),
            0.8 * median,
            1.3 * median,
            0.5 * median,
            2.1 * median,
        )
        for m, name in enumerate(MARKERS)
    )
    return ClassFacts(
        CLASSES[k],
        count,
        count / classified if classified else 0.0,
        low,
        high,
        0.81 + 0.05 * k if count else None,
        markers if count else (),
    )
