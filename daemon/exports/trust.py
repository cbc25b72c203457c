"""How far a table's probabilities and intervals can be trusted, in words, from what its results say of their models.

A file outlives the daemon that could be asked, so the words stand in the meaning of each column.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_NO_INTERVAL: Final = "interval, which this model does not have (empty)"


@dataclass(frozen=True, slots=True)
class Trust:
    """Words for the columns of one table.

    Attributes:
        calibration: Such as ``calibrated on synthetic cells`` or ``uncalibrated``.
        interval: Such as ``nominal 90 % interval``.
    """

    calibration: str = "calibration not told"
    interval: str = "interval of untold coverage"


def trust_in(models: Iterable[Mapping[str, Any]], *, synthetic: bool) -> Trust:
    """The words that are true of every one of these models.

    Args:
        models: The `model` maps of the results, or what the exports keep of them.
        synthetic: Whether any of them was trained on simulated cells.
    """
    told = [model for model in models if isinstance(model.get("calibrated"), bool)]
    if not told:
        return Trust()
    calibrated = {bool(model["calibrated"]) for model in told}
    if calibrated == {False}:
        bare = all(model.get("interval_coverage", 0) is None for model in told)
        return Trust("uncalibrated", _NO_INTERVAL if bare else "interval of unknown coverage")
    of = "synthetic cells" if synthetic else "held-out cells"
    words = f"calibrated on {of}" + (" where `calibrated`" if len(calibrated) > 1 else "")
    shares = sorted({float(model["interval_coverage"]) for model in told if model["calibrated"]})
    coverage = " or ".join(f"{100 * share:g} %" for share in shares)
    return Trust(words, f"nominal {coverage} interval")
