"""What `bench sources` calls exact."""

from dataclasses import replace

import pytest

from phenostream.deploy.bench.sources import SourceRun

PUSHED = SourceRun(
    way="push",
    announced=100,
    sent=95,
    twice=5,
    received=95,
    missing=5,
    duplicates=5,
    recorded=95,
    doubled=0,
    sent_per_s=50.0,
)
PUBLISHED = replace(PUSHED, way="pub", received=8, missing=92, duplicates=1, recorded=8)

CASES: list[tuple[SourceRun, dict[str, int], bool]] = [
    (PUSHED, {}, True),
    (PUSHED, {"missing": 4}, False),
    (PUSHED, {"duplicates": 4}, False),
    (PUSHED, {"doubled": 1}, False),
    (PUSHED, {"received": 94, "missing": 6, "recorded": 94}, False),
    (PUBLISHED, {}, True),
    (PUBLISHED, {"missing": 91}, False),
    (PUBLISHED, {"recorded": 7}, False),
]


@pytest.mark.parametrize(("run", "changes", "exact"), CASES)
def test_an_account_is_exact_when_it_agrees_with_what_was_sent_and_with_the_journal(
    run: SourceRun, changes: dict[str, int], exact: bool
) -> None:
    changed = replace(run, **changes)  # type: ignore[arg-type]  # counts only
    assert changed.exact == changed.as_dict()["exact"] == exact
