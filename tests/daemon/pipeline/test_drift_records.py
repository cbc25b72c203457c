"""A shift in words for a person: each kind in its own scale."""

from math import log, log1p

import pytest

from phenostream.daemon.pipeline.drift_records import in_words


@pytest.mark.parametrize(
    ("quantity", "values", "said"),
    [
        ("share/monocyte", (0.123, 0.3, 0.1), "12.3 %, allowed 30.0 ± 10.0"),
        ("rejected", (0.5, 0.25, 0.1), "50.0 %, allowed 25.0 ± 10.0"),
        ("marker/monocyte/CD16", (-0.5, 0.1, 0.25), "-0.50 sd, allowed 0.10 ± 0.25"),
        ("feature/3", (0.46, -1.3e-8, 0.3), "0.46 sd, allowed 0.00 ± 0.30"),
        (
            "brightness/left",
            (log(0.24), log(0.4), log1p(0.15)),
            "0.240 of full scale, allowed 0.400 ± 15 %",
        ),
    ],
)
def test_a_shift_is_told_in_its_own_scale(
    quantity: str, values: tuple[float, float, float], said: str
) -> None:
    now, before, tolerance = values
    told = {"quantity": quantity, "now": now, "before": before, "tolerance": tolerance}
    assert in_words(told) == said
