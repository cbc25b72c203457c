"""Reading what a daemon says, which may be of another version: what is not there, or no number, is left out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

MOST_LABELS: Final = 64
"""Of one label, so that nothing a stranger may name can make ever more series."""
OTHERS: Final = "other"


def find(value: Any, *path: str) -> Any:
    """What stands at a path of keys; None where nothing does."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def table(value: Any, *path: str) -> Mapping[str, Any]:
    """The map at a path; empty where there is none."""
    found = find(value, *path)
    return found if isinstance(found, Mapping) else {}


def rows(value: Any, *path: str) -> Sequence[Any]:
    """The list at a path; empty where there is none."""
    found = find(value, *path)
    return found if isinstance(found, list | tuple) else ()


def tables(value: Any, *path: str) -> list[Mapping[str, Any]]:
    """The maps in the list at a path."""
    return [row for row in rows(value, *path) if isinstance(row, Mapping)]


def number(value: Any, *path: str) -> float | None:
    """The number at a path; None where there is none."""
    found = find(value, *path)
    if isinstance(found, bool | int | float):
        return float(found)
    return None


def numbers(value: Any, *path: str) -> Iterator[tuple[str, float]]:
    """Name and number of every entry of the map at a path; those beyond `MOST_LABELS` together as `OTHERS`."""
    rest, more = 0.0, False
    told = ((str(key), one) for key, one in table(value, *path).items())
    for place, (name, one) in enumerate(told):
        amount = number(one)
        if amount is None:
            continue
        if place < MOST_LABELS:
            yield name, amount
        else:
            rest, more = rest + amount, True
    if more:
        yield OTHERS, rest
