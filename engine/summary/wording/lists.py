"""How items follow each other: the orders they may stand in, and what joins them."""

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Final

from phenostream.engine.summary.facts import ClassFacts
from phenostream.engine.summary.plan import Plan, Slot, one_of

_MOST_ORDERS: Final = 4
_FEW: Final = 3


def orders(classes: Sequence[ClassFacts]) -> Iterator[tuple[ClassFacts, ...]]:
    """Ways to list the classes: largest first, as a reader expects, or another first; no order says more than another.

    No two begin with the same class, so that who chooses an order has chosen it with the first name.
    """
    ranked = sorted(classes, key=lambda one: -one.count)
    for first in ranked[:_MOST_ORDERS]:
        yield (first, *(one for one in ranked if one is not first))


def in_some_order(
    classes: Sequence[ClassFacts], told: Callable[[ClassFacts], str], last: str
) -> Slot:
    """One slot: the classes, each as told, in any of their orders; `last` as in `listed`."""
    return one_of(*(listed([told(one) for one in order], last) for order in orders(classes)))


def in_any_order(
    classes: Sequence[ClassFacts], told: Callable[[ClassFacts], str], last: str
) -> Slot:
    """Likewise, in every order of the first three: for short texts, where to tell two orders apart costs little."""
    ranked = sorted(classes, key=lambda one: -one.count)
    few, more = ranked[:_FEW], ranked[_FEW:]
    return one_of(
        *(listed([told(one) for one in (*order, *more)], last) for order in permutations(few))
    )


def listed(items: Sequence[str], last: str) -> str:
    """``a, b and c``, where `last` is ``and``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def joined(items: Sequence[Plan], last: str) -> Plan:
    """Likewise, of what leaves choices."""
    slots: list[Slot] = []
    for place, item in enumerate(items):
        if place:
            slots.append(one_of(f" {last} " if place == len(items) - 1 else ", "))
        slots += item
    return tuple(slots)
