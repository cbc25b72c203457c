"""Facts come back from plain values as they were, or not at all."""

import json
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.engine.errors import BadMessage
from phenostream.engine.summary.facts import Facts, MarkerFacts
from tests.engine.summary.populations import CASES, population

SEEDS = range(4 * CASES)
SEED = 95
"""Simulated white cells of the usual classes: flagged frames, all markers, a comparison with the window before."""


@pytest.mark.parametrize("seed", SEEDS)
def test_facts_come_back_from_json_and_msgpack_as_they_were(seed: int) -> None:
    facts = population(seed)
    assert Facts.from_dict(json.loads(json.dumps(facts.as_dict()))) == facts
    assert Facts.from_dict(msgpack.unpackb(msgpack.packb(facts.as_dict()))) == facts


def test_facts_of_an_earlier_version_are_read_and_keys_of_a_later_one_are_stepped_over() -> None:
    plain = population(7).as_dict()
    for key in ("comparisons", "rejected_low", "rejected_high", "unusual_low", "unusual_high"):
        del plain[key]
    for key in ("scope", "run", "instrument", "model_sha256", "duration_s"):
        del plain[key]
    facts = Facts.from_dict({**plain, "moon_phase": 3})
    assert (facts.comparisons, facts.scope, facts.unusual_low) == ((), "window", None)


def test_a_marker_of_which_every_cell_lies_lower_is_down() -> None:
    plain = population(SEED).as_dict()
    place, down = next(
        (place, one)
        for place, one in enumerate(plain["comparisons"][0]["markers"])
        if one["verdict"] == "down"
    )
    lowest = changed(plain, f"comparisons.0.markers.{place}.superiority", 0.0)
    (comparison,) = Facts.from_dict(lowest).comparisons
    assert (comparison.markers[place].superiority, down["verdict"]) == (0.0, "down")


def changed(plain: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The same values with another one at a dotted path."""
    copy: dict[str, Any] = json.loads(json.dumps(plain))
    where: Any = copy
    *before, last = (int(part) if part.isdigit() else part for part in path.split("."))
    for part in before:
        where = where[part]
    where[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("frames", -1, "frames"),
        ("frames", True, "frames"),
        ("frames", "3", "frames"),
        ("frames", 1 << 63, "frames"),
        ("found", 5, "found: 5"),
        ("classes.0.count", 10**6, "its classes sum to"),
        ("classes.0.share", 0.999, "lymphocyte"),
        ("classes.0.name", "granulocyte", "there twice"),
        ("classes.0.name", 4, "classes.0.name"),
        ("classes.0.name", "x" * 20000, "classes.0.name"),
        ("classes.0.markers.0.median", float("nan"), "median"),
        ("classes.0.markers.0.name", "CD99", "not all of them have the same markers"),
        ("classes.0.markers", [], "not all of them have the same markers"),
        ("classes.0.markers.0.median", 1e9, "outside"),
        ("mean_confidence", 1.5, "mean_confidence"),
        ("mean_confidence", None, "mean_confidence"),
        ("synthetic", "yes", "synthetic"),
        ("synthetic", False, "synthetic: False"),
        ("unusual", None, "unusual"),
        ("scope", "planet", "scope"),
        ("flagged.dark", 99, "flagged"),
        ("classes", [{}] * 17, "classes"),
        ("comparisons", [None] * 5, "comparisons"),
        ("comparisons.0.alpha", 7, "alpha"),
        ("comparisons.0.shares.0.verdict", "much higher", "verdict"),
        ("comparisons.0.shares.0.now", 0.123, "no share of these facts"),
        ("comparisons.0.markers.0.now", 0.123, "no median of these facts"),
    ],
)
def test_facts_that_cannot_be_so_are_refused_in_one_line(
    path: str, value: object, said: str
) -> None:
    plain = population(SEED).as_dict()
    with pytest.raises(BadMessage, match=r"^facts: ") as refused:
        Facts.from_dict(changed(plain, path, value))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("verdict", ["up", "down", "unclear", "too_few"])
@pytest.mark.parametrize("kind", ["shares", "markers"])
def test_a_verdict_that_its_own_numbers_deny_is_refused(verdict: str, kind: str) -> None:
    plain = population(SEED).as_dict()
    for place, change in enumerate(plain["comparisons"][0][kind]):
        altered = changed(plain, f"comparisons.0.{kind}.{place}.verdict", verdict)
        if change["verdict"] == verdict:
            Facts.from_dict(altered)
        else:
            with pytest.raises(BadMessage, match="comparison with previous"):
                Facts.from_dict(altered)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_else_is_refused_in_one_line(plain: object) -> None:
    with pytest.raises(BadMessage, match=r"^facts: ") as refused:
        Facts.from_dict(plain)
    assert "\n" not in str(refused.value)


def test_frames_of_other_models_are_published_ones() -> None:
    account = {
        "announced": 9,
        "published": 2,
        "dropped": 0,
        "quarantined": 0,
        "failed": 0,
        "missing": 7,
    }
    plain = population(SEED).as_dict() | {"account": account, "by_other_models": 5}
    with pytest.raises(BadMessage, match="by_other_models: 5 of 2 published frames"):
        Facts.from_dict(plain)


def test_a_missing_key_is_named() -> None:
    plain = population(SEED).as_dict()
    del plain["classified"]
    with pytest.raises(BadMessage, match="classified"):
        Facts.from_dict(plain)


def test_a_pool_is_known_by_its_name() -> None:
    pool = MarkerFacts("CD3/CD19/CD56", 1.0, 1.0, 1.0, None, None)
    assert (pool.pooled, pool.proteins) == (True, ("CD3", "CD19", "CD56"))
    assert not replace(pool, name="CD45").pooled


def test_the_populations_hold_what_a_reporter_must_be_able_to_say() -> None:
    made = [population(seed) for seed in range(12 * CASES)]
    compared = [one for facts in made for one in facts.comparisons]
    verdicts = {change.verdict for one in compared for change in one.changes}
    assert verdicts == {"up", "down", "unclear", "too_few"}
    assert {one.obstacle for one in compared} == {None, "another model", "no cells"}
    assert {one.against for one in compared} == {"previous", "reference"}
    assert any(facts.frames == 0 for facts in made)
    assert any(facts.found == 1 for facts in made)
    assert any(facts.found and not facts.classified for facts in made)
    assert any(facts.found and facts.frames != 0 and facts.majority is None for facts in made)
    assert any(not any(one.markers for one in facts.classes) and facts.classified for facts in made)
    assert {facts.scope for facts in made} == {"window", "run", "part"}
    for key in ("calibrated", "synthetic", "rejects"):
        assert {getattr(facts, key) for facts in made} == {True, False}
    assert any(facts.account and facts.account.missing for facts in made)
    assert any(facts.flagged.frames for facts in made)
    assert any(facts.unusual is None for facts in made)
    markers = [marker for facts in made for one in facts.classes for marker in one.markers]
    assert any(marker.pooled for marker in markers)
    assert any(marker.cell_low is None for marker in markers)
    assert any(marker.run_percentile is not None for marker in markers)
    assert any(marker.reference_percentile is not None for marker in markers)
    assert len({facts.classes[0].name for facts in made}) > 3
