"""A part of what `python -m tests.truth.verifier` measures, with its targets."""

from random import Random

import pytest

from phenostream.engine.summary.verify import faults
from tests.engine.summary.populations import population
from tests.engine.summary.verify.corruptions import KINDS
from tests.engine.summary.verify.measure import measure
from tests.engine.summary.verify.paraphrases import FRAMES, frame_count, sentence

_SEEDS = range(16, 32)


@pytest.fixture(scope="module")
def measured() -> tuple[int, int, int, int, list[object]]:
    found = measure(_SEEDS)
    counts = (found.true, found.refused, found.false, found.missed)
    true, refused, false, missed = (one.total() for one in counts)
    assert set(found.false) == {kind.__name__ for kind in KINDS}
    return true, refused, false, missed, list(found.shown)


def test_hardly_a_true_text_is_refused(measured: tuple[int, int, int, int, list[object]]) -> None:
    true, refused, _, _, shown = measured
    assert refused <= max(1, 0.01 * true), shown


def test_hardly_a_corruption_passes(measured: tuple[int, int, int, int, list[object]]) -> None:
    _, _, false, missed, shown = measured
    assert false > 600
    assert missed <= 0.005 * false, shown


def test_every_sentence_written_by_hand_is_understood() -> None:
    assert frame_count() >= 60
    used = set()
    for seed in range(40):
        facts = population(seed)
        for frame in (frame for frames in FRAMES.values() for frame in frames):
            text = sentence(facts, frame, seed)
            if text is not None:
                used.add(frame)
                assert faults(text, facts) == [], text
    assert len(used) >= 0.9 * frame_count()


def test_a_corruption_is_another_text() -> None:
    facts = population(22)
    text = f"{facts.found} cells were found. Research use only, not a diagnosis."
    for kind in KINDS:
        assert kind(text, facts, Random(1)) != text  # noqa: S311  # no secret
