"""The kinds of values that facts are made of, with the range of each.

A type here is checked where facts are read back from plain values (`Facts.from_dict`); code of ours that makes facts is
checked by the types alone.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

LONGEST_NAME: Final = 1 << 14
"""Characters of a name in facts; what is shown of one is capped where it is shown."""
MOST_CLASSES: Final = 16
MOST_MARKERS: Final = 64
MOST_COMPARISONS: Final = 4

Count = Annotated[int, Field(strict=True, ge=0, lt=1 << 63)]
"""Of frames or cells."""
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Difference = Annotated[float, Field(strict=True, ge=-1, le=1)]
"""Of two shares."""
Percentile = Annotated[float, Field(strict=True, ge=0, le=100)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""In the marker unit."""
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(strict=True, max_length=LONGEST_NAME)]
"""Untrusted text."""
Flag = Annotated[bool, Field(strict=True)]

Scope = Literal["window", "part", "run"]
"""``part``: what one of several models saw of a run."""


def first_fault(err: ValidationError) -> str:
    """The first thing that was refused, as one line: key, what is allowed, and what was found."""
    first = err.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])[:80]
    found = "" if first["type"] == "missing" else f", found {repr(first['input'])[:60]}"
    return f"{key}: {first['msg']}{found}" if key else f"{first['msg']}{found}"
