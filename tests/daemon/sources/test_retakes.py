"""A frame sent again is told from one that was taken again."""

import pytest

from phenostream.daemon.sources.retakes import Retakes

CASES: list[tuple[str, list[tuple[int, int]], list[tuple[int, int]], list[bool]]] = [
    ("nothing is known", [], [(0, 5)], [False]),
    ("sent again", [(0, 10), (1, 11)], [(0, 10), (1, 11), (1, 11)], [False] * 3),
    ("taken again from the first", [(0, 10), (1, 11)], [(0, 20), (1, 21)], [True, False]),
    ("taken again, the first lost", [(0, 10), (1, 11)], [(1, 21), (0, 22)], [True, True]),
    ("the clock jumped back", [(3, 10), (4, 11)], [(3, 1), (4, 2)], [True, False]),
    ("twice", [(0, 10)], [(0, 20), (0, 30)], [True, True]),
]


@pytest.mark.parametrize(("what", "new", "used", "begins"), CASES, ids=[case[0] for case in CASES])
def test_what_begins_again(
    what: str, new: list[tuple[int, int]], used: list[tuple[int, int]], begins: list[bool]
) -> None:
    retakes = Retakes()
    for seq, utc_ns in new:
        retakes.received(seq, utc_ns)
    assert [retakes.begins(seq, utc_ns) for seq, utc_ns in used] == begins, what


def test_after_new_frames_a_restart_is_seen_again() -> None:
    retakes = Retakes()
    retakes.received(0, 10)
    retakes.received(1, 11)
    assert retakes.begins(1, 20)
    assert not retakes.begins(1, 21)
    retakes.received(2, 22)
    assert retakes.begins(1, 30)


def test_a_late_shot_is_compared_with_the_same_shot_of_its_frame() -> None:
    retakes = Retakes()
    for shot, utc_ns in (("left", 10), ("right", 11), ("top", 12), ("bottom", 13)):
        retakes.received(0, utc_ns, shot)
    assert not retakes.begins(0, 11, "right")
    assert not retakes.begins(0, 10, "left")
    assert retakes.begins(0, 9, "left")
    assert not retakes.begins(0, 9, "left")


def test_the_rest_of_a_frame_that_was_given_up_is_no_retake() -> None:
    retakes = Retakes()
    for frame_seq in (0, 1):
        for n, shot in enumerate(("left", "right", "top", "bottom")):
            retakes.received(frame_seq, 10 * frame_seq + n, shot)
    retakes.received(2, 20, "left")
    assert not retakes.begins(2, 22, "top"), "right was broken, and the frame with it"
    assert not retakes.begins(3, 31, "right"), "left was broken: nothing of frame 3 was received"
    assert retakes.begins(1, 40, "left")


def test_a_number_that_an_earlier_process_settled_is_no_retake() -> None:
    retakes = Retakes()
    retakes.received(
        0, 1_000
    )  # what the source sends again after the daemon died: 0, and 1, which has its fate
    assert not retakes.begins(1, 1_001)
    assert not retakes.going_on
