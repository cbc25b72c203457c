"""In which orders classes may be listed: a reader expects the largest first, and no order says more than another."""

from collections.abc import Iterator, Sequence

from phenostream.engine.summary.facts import ClassFacts


def orders(classes: Sequence[ClassFacts]) -> Iterator[tuple[ClassFacts, ...]]:
    """Largest first; smallest first; as in the manifest. Classes without cells stand last in the first of them."""
    yield tuple(sorted(classes, key=lambda one: -one.count))
    yield tuple(sorted(classes, key=lambda one: one.count))
    yield tuple(classes)
