"""Numbers as the view shows them: short, and a dash where there is none."""

import math
from typing import Final

BAR: Final = 8
_THOUSANDS: Final = ("", "k", "M", "G", "T", "P", "E")
_EIGHTHS: Final = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def bound(seconds: float) -> str:
    """The bound of a bucket, ms."""
    if math.isnan(seconds):
        return "-"
    return "over" if math.isinf(seconds) else f"{1e3 * seconds:g}"


def number(value: float) -> str:
    """Three digits, or all before the point."""
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(share: float) -> str:
    """A share."""
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


def bar(share: float) -> str:
    """As long as the share is large, to an eighth of a character; at most `BAR` of them."""
    if math.isnan(share):
        return ""
    eighths = round(8 * BAR * min(1.0, max(0.0, share)))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + _EIGHTHS[rest]


def mebibytes(size: object) -> str:
    """Bytes."""
    return f"{size / 2**20:,.1f} MiB" if isinstance(size, int) else "-"


def count(value: object) -> str:
    """Exact as long as it is short."""
    if not isinstance(value, int):
        return "-"
    if abs(value) < 100_000:
        return f"{value:,}"
    power = min((len(str(abs(value))) - 1) // 3, len(_THOUSANDS) - 1)
    return f"{value / 1000**power:.4g}{_THOUSANDS[power]}"


def duration(seconds: float) -> str:
    """As people say it: 12 s, 3 min 20 s, 2 h 13 min, 4 d 1 h."""
    whole = int(seconds)
    parts = (
        (whole // 86400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "min"),
        (whole % 60, "s"),
    )
    first = next((i for i, (n, _) in enumerate(parts) if n), len(parts) - 1)
    return " ".join(f"{n} {unit}" for n, unit in parts[first : first + 2])
