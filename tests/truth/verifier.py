"""``python -m tests.truth.verifier``: what the verifier of free summaries refuses of the true, and finds of the false.

True texts: the three English styles with random choices, and paraphrases written by hand. False ones: corruptions of
those, nineteen kinds. Exits with 1 where a target is not met.
"""

import argparse
import json
import sys
from collections.abc import Iterator

from tests.engine.summary.verify.measure import Measured, measure, rate

_MOST_REFUSED = 0.01
_LEAST_CAUGHT = 0.995


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--populations", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    measured = measure(range(args.populations))
    told = as_told(measured)
    lines = [json.dumps(told)] if args.json else _table(measured, args.populations)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0 if told["met"] else 1


def as_told(measured: Measured) -> dict[str, object]:
    """The two figures, in all and by source and kind, and whether both targets are met."""
    true, refused = measured.true.total(), measured.refused.total()
    false, caught = measured.false.total(), measured.false.total() - measured.missed.total()
    return {
        "refused": rate(refused, true),
        "caught": rate(caught, false),
        "refused_by_source": {k: rate(measured.refused[k], n) for k, n in measured.true.items()},
        "caught_by_kind": {k: rate(n - measured.missed[k], n) for k, n in measured.false.items()},
        "met": refused <= _MOST_REFUSED * true and caught >= _LEAST_CAUGHT * false,
    }


def _table(measured: Measured, populations: int) -> Iterator[str]:
    yield f"The verifier of free summaries, {populations} populations"
    yield "\ntrue texts            texts  refused"
    for source, texts in sorted(measured.true.items()):
        yield _line(source, texts, measured.refused[source])
    yield _line("all", measured.true.total(), measured.refused.total(), "at most 1 %")
    yield "\ncorruptions           texts   caught"
    for kind, texts in sorted(measured.false.items()):
        yield _line(kind, texts, texts - measured.missed[kind])
    false = measured.false.total()
    yield _line("all", false, false - measured.missed.total(), "at least 99.5 %")
    for seed, what, text, found in measured.shown:
        yield f"\njudged wrongly: population {seed}, {what}: {text}"
        yield from (f"  {fault}" for fault in found[:3])


def _line(what: str, texts: int, count: int, target: str = "") -> str:
    told = rate(count, texts)
    share, low, high = (100 * told[end] for end in ("share", "low", "high"))
    return f"  {what:18} {texts:6}  {share:6.2f} % (95 % interval {low:.2f} to {high:.2f} %)  {target}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
