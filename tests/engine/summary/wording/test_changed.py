from itertools import pairwise

from phenostream.engine.summary.changes import MarkerChange, ShareChange
from phenostream.engine.summary.plan import first
from phenostream.engine.summary.wording import plan_of
from phenostream.engine.summary.wording.changed import changed, told_of
from tests.engine.summary.populations import population


def test_shares_are_told_before_markers_and_the_largest_change_first() -> None:
    comparisons = [one for seed in range(192) for one in population(seed).comparisons]
    several = [told for told in map(changed, comparisons) if len(told) > 1]
    assert len(several) > 5
    for told in several:
        for one, other in pairwise(told):
            assert not (isinstance(one, MarkerChange) and isinstance(other, ShareChange))
            if isinstance(one, ShareChange) and isinstance(other, ShareChange):
                assert abs(one.difference) >= abs(other.difference)
            if isinstance(one, MarkerChange) and isinstance(other, MarkerChange):
                sizes = [abs((each.superiority or 0) - 0.5) for each in (one, other)]
                assert sizes[0] >= sizes[1]


def test_what_is_not_shown_to_change_is_counted_and_never_called_unchanged() -> None:
    for seed in range(64):
        facts = population(seed)
        text = first(plan_of(facts, "lab"))
        for comparison in facts.comparisons:
            unclear, too_few = (
                len(told_of(comparison, verdict)) for verdict in ("unclear", "too_few")
            )
            assert len(changed(comparison)) + unclear + too_few == len(comparison.changes)
            if unclear:
                assert f"no change is shown in {unclear} tested quantit" in text
            if too_few:
                assert f"too few cells to test {too_few} quantit" in text
        assert "unchanged" not in text
        assert "stable" not in text
