"""A frame belongs to one model from the moment it is prepared; a model is over when its last frame is on disk."""

from phenostream.daemon.swap.models import Models
from tests.daemon.conftest import toy_model


def test_a_flip_holds_for_the_next_frame_and_the_model_before_stands_by() -> None:
    old, new = toy_model(), toy_model()
    models = Models(old)
    assert (models.live, models.of(None), models.of(new)) == ((old,), old, new)
    assert models.flip(new, "better") is old
    assert (models.serving, models.standby, models.live) == (new, old, (new, old))
    (told,) = models.take_flips()
    assert (told.before, told.after, told.why) == (old, new, "better")
    assert models.take_flips() == []


def test_a_model_is_over_only_when_nobody_can_give_it_another_frame_and_all_are_on_disk() -> None:
    old, new = toy_model(), toy_model()
    models = Models(old)
    models.enter(old)
    models.flip(new, "better")
    models.enter(old)  # the thread that gives frames away has not looked yet
    assert models.let_go(0.0) is None
    models.take_flips()
    models.leave(old)
    assert models.let_go(0.0) is None
    assert models.standby is old
    models.leave(old)
    assert models.let_go(0.0) is old
    assert models.standby is None
    assert models.done(old) == 2
    models.forget(old)
    assert models.done(old) == 0


def test_without_a_frame_a_model_is_over_when_the_flip_was_seen() -> None:
    old, new = toy_model(), toy_model()
    models = Models(old)
    models.flip(new, "better")
    assert models.let_go(0.0) is None
    models.take_flips()
    assert models.let_go(0.0) is old


def test_a_model_that_takes_frames_over_stays_until_they_are_on_disk() -> None:
    old, new = toy_model(), toy_model()
    models = Models(old)
    models.flip(new, "better")
    models.take_flips()
    models.enter(new)
    models.enter(new)
    assert models.take_over(new, 2) is old
    assert models.let_go(0.0) is None
    models.taken(new, old, 1, 1)
    models.leave(new)
    assert models.let_go(0.0) is None
    models.leave(old)
    assert models.let_go(0.0) is old
    assert models.take_over(new, 1) is None


def test_a_model_is_over_for_now_when_its_last_frame_is_on_disk() -> None:
    old, new = toy_model(), toy_model()
    models = Models(old)
    models.enter(old)
    models.flip(new, "better")
    assert not models.is_over(old)
    models.take_flips()
    assert not models.is_over(old)
    models.leave(old)
    assert models.is_over(old)
    assert models.standby is old


def test_there_and_back_between_two_looks_is_told_twice_and_nothing_is_lost() -> None:
    old, new = toy_model(), toy_model()
    models = Models(old)
    models.flip(new, "better")
    models.flip(old, "worse")
    assert [(told.after, told.why) for told in models.take_flips()] == [
        (new, "better"),
        (old, "worse"),
    ]
    assert models.serving is old
    assert models.let_go(0.0) is new
