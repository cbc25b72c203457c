"""Metrics of one value, of one value a label, and histograms; what the daemon did not tell makes no series."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from phenostream.daemon.monitor.reading import number, rows

_PREFIX = "phenostream_"


def gauge(name: str, meaning: str, value: float | None) -> Iterator[Metric]:
    """A value that goes up and down; `name` without the prefix, with its unit."""
    if value is not None:
        yield GaugeMetricFamily(_PREFIX + name, meaning, value)


def gauges(
    name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]
) -> Iterator[Metric]:
    """One such value for each value of a label."""
    return gauges_by(name, meaning, (label,), (((one,), value) for one, value in values))


def gauges_by(
    name: str,
    meaning: str,
    labels: Sequence[str],
    values: Iterable[tuple[Sequence[str], float]],
) -> Iterator[Metric]:
    """One such value for each value of several labels."""
    family = GaugeMetricFamily(_PREFIX + name, meaning, labels=labels)
    for ones, value in values:
        family.add_metric(list(map(str, ones)), value)
    yield family


def counter(name: str, meaning: str, value: float | None) -> Iterator[Metric]:
    """A count that never falls, but for a restart; ``_total`` is put behind `name`."""
    if value is not None:
        yield CounterMetricFamily(_PREFIX + name, meaning, value)


def counters(
    name: str,
    meaning: str,
    labels: Sequence[str],
    values: Iterable[tuple[Sequence[str], float]],
) -> Iterator[Metric]:
    """One such count for each value of the labels."""
    family = CounterMetricFamily(_PREFIX + name, meaning, labels=labels)
    for ones, value in values:
        family.add_metric(list(map(str, ones)), value)
    yield family


def info(name: str, meaning: str, told: Mapping[str, object]) -> Iterator[Metric]:
    """Words about something, as labels of a 1; ``_info`` is put behind `name`."""
    family = GaugeMetricFamily(f"{_PREFIX}{name}_info", meaning, labels=tuple(told))
    family.add_metric([_worded(value) for value in told.values()], 1)
    yield family


def histograms(
    name: str,
    meaning: str,
    labels: Sequence[str],
    told: Iterable[tuple[Sequence[str], Mapping[str, object]]],
) -> Iterator[Metric]:
    """How long something took, for each value of the labels.

    Args:
        name: Ends in ``_seconds``.
        meaning: Help.
        labels: Their names; none for one histogram.
        told: Values of the labels, and ``count``, ``sum_s`` and ``buckets``: pairs of an upper bound in seconds and how
            many took no longer, rising.
    """
    family = HistogramMetricFamily(_PREFIX + name, meaning, labels=labels)
    for ones, times in told:
        count, total, bounds = number(times, "count"), number(times, "sum_s"), _bounds(times)
        if count is None or total is None or bounds is None:
            continue
        family.add_metric(list(map(str, ones)), [*bounds, ("+Inf", count)], total)
    yield family


def _bounds(times: Mapping[str, object]) -> list[tuple[str, float]] | None:
    """Upper bounds and counts of a histogram's buckets; None where they are no pairs of numbers."""
    bounds = []
    for row in rows(times, "buckets"):
        pair = [number({"it": one}, "it") for one in row] if isinstance(row, list | tuple) else []
        if len(pair) != 2 or pair[0] is None or pair[1] is None:
            return None
        bounds.append((f"{pair[0]:g}", pair[1]))
    return bounds


def _worded(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
