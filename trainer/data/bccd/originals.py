"""Which pictures are of the same original field: found by image matching, without looking at any label.

In rounds: some pictures are matched among themselves and joined into originals; the others are then matched to a few
examples of each original; what matches nothing goes into the next round. A match is proposed by votes of single
landmarks and confirmed by an affine map that many agree with. In the end the best examples are matched once more with
one of each original (several would take each other's votes), which joins what the rounds left apart. A picture that is
still alone, because it has few landmarks, goes to the original that it agrees with clearly better than with any other.
One that has none is a stray.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from phenostream.engine.types import I32, Bool
from phenostream.trainer.data.bccd.landmarks import Landmarks, agreement, unit

LEAST_AGREEING: Final = 9
"""Points that must agree: different fields reach 6 or 7 by chance."""
_LEAST_IF_CLEAR: Final = 6
_CLEAR: Final = 2
"""Fewer points do where no other original comes as near as this."""
_FEW: Final = 3
"""Pictures of an original, below which it is asked where they belong."""
_USUAL: Final = 10
_SEEDS: Final = 800
_EXAMPLES: Final = 3
_VOTERS: Final = 40
_CANDIDATES: Final = 6
_LEAST_VOTES: Final = 3
_ALIKE: Final = 0.8
_AT_ONCE: Final = 2048
_MOST_ROUNDS: Final = 12

Rows = npt.NDArray[np.intp]
OnDone = Callable[[int], None]
"""Is told how many more pictures have been dealt with."""


@dataclass(frozen=True, slots=True)
class Match:
    """Two pictures of one original, and how many points say so."""

    one: int
    other: int
    agreeing: int


def original_of(
    landmarks: Sequence[Landmarks], seed: int = 0, on_done: OnDone = lambda count: None
) -> I32:
    """(N,) a number for each picture, the same for pictures of one original, from 0 in order of first appearance.

    Args:
        landmarks: Of each picture.
        seed: Of which pictures are matched first.
        on_done: For a progress bar.
    """
    families = _Families(len(landmarks))
    rng = np.random.default_rng(seed)
    left, examples = np.arange(len(landmarks)), np.zeros(0, np.intp)
    for _ in range(_MOST_ROUNDS):
        if not len(left):
            break
        seeds = np.sort(rng.choice(left, min(len(left), _SEEDS), replace=False))
        _join(matches(landmarks, seeds, seeds, families), families)
        examples = np.concatenate([examples, _examples(landmarks, seeds, families, _EXAMPLES)])
        left = np.setdiff1d(left, seeds)
        found = _join(matches(landmarks, left, examples, families), families)
        on_done(len(seeds) + len(found))
        left = np.setdiff1d(left, found)
    everyone = np.arange(len(landmarks))
    several, one = (_examples(landmarks, everyone, families, most) for most in (_EXAMPLES, 1))
    _join(matches(landmarks, several, one, families), families)
    _join(_clearest(landmarks, families), families)
    on_done(len(left))
    roots = [families.root(row) for row in range(len(landmarks))]
    number: dict[int, int] = {}
    return np.array([number.setdefault(root, len(number)) for root in roots], np.int32)


def strays(original: I32) -> Bool:
    """(N,) True for pictures in an original of fewer than three, where most pictures are in one of ten or more."""
    if not len(original):
        return np.zeros(0, np.bool_)
    size = np.bincount(original)[original]
    alone: Bool = (size < _FEW) & (np.median(size) >= _USUAL)
    return alone


def matches(
    landmarks: Sequence[Landmarks],
    asking: Rows,
    examples: Rows,
    families: "_Families | None" = None,
) -> Iterator[Match]:
    """Confirmed matches of pictures with examples, turned over or not.

    Args:
        landmarks: Of all pictures.
        asking: Rows of those that are to be matched.
        examples: Rows of those that they may match.
        families: Two of one family are not compared again.
    """
    for row, candidates in _candidates(landmarks, asking, examples):
        for candidate, mirrored in candidates:
            if candidate == row or (families and families.root(row) == families.root(candidate)):
                continue
            other = landmarks[candidate]
            agreeing = agreement(landmarks[row], other.mirrored() if mirrored else other)
            if agreeing >= LEAST_AGREEING:
                yield Match(row, candidate, agreeing)


class _Families:
    """Union-find over pictures."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.root(one), self.root(other)))
        self._parent[second] = first


def _join(found: Iterator[Match], families: _Families) -> Rows:
    """Rows that matched something."""
    rows = []
    for match in found:
        families.join(match.one, match.other)
        rows.append(match.one)
    return np.unique(np.array(rows, np.intp))


def _clearest(landmarks: Sequence[Landmarks], families: _Families) -> Iterator[Match]:
    """Of each picture that is nearly alone, the original that it agrees with best by far, if there is one."""
    roots = np.array([families.root(row) for row in range(len(landmarks))], np.intp)
    points = np.array([len(one) for one in landmarks])
    _, place, size = np.unique(roots, return_inverse=True, return_counts=True)
    shown = [
        int(rows[points[rows].argmax()])
        for rows in (np.flatnonzero(place == index) for index in np.flatnonzero(size >= _FEW))
    ]
    if len(shown) < 2:
        return
    for row in np.flatnonzero(size[place] < _FEW).tolist():
        agreeing = np.array(
            [
                max(
                    agreement(landmarks[row], landmarks[one]),
                    agreement(landmarks[row], landmarks[one].mirrored()),
                )
                for one in shown
            ]
        )
        second, first = np.argsort(agreeing, kind="stable")[-2:]
        least = max(_LEAST_IF_CLEAR, agreeing[second] + _CLEAR)
        if agreeing[first] >= least:
            yield Match(row, shown[first], int(agreeing[first]))


def _examples(landmarks: Sequence[Landmarks], rows: Rows, families: _Families, most: int) -> Rows:
    """Of each family among these rows the few with the most landmarks."""
    members: dict[int, list[int]] = {}
    for row in rows.tolist():
        members.setdefault(families.root(row), []).append(row)
    chosen = [
        row
        for family in members.values()
        for row in sorted(family, key=lambda one: -len(landmarks[one]))[:most]
    ]
    return np.array(chosen, np.intp)


def _candidates(
    landmarks: Sequence[Landmarks], asking: Rows, examples: Rows
) -> Iterator[tuple[int, list[tuple[int, bool]]]]:
    """For each asking row the examples that most of its landmarks look like: row, and whether it is turned over."""
    shown = [
        landmarks[row].first(_VOTERS).mirrored() if mirrored else landmarks[row].first(_VOTERS)
        for mirrored in (False, True)
        for row in examples.tolist()
    ]
    if not sum(map(len, shown)):
        return
    owner = np.repeat(np.arange(len(shown)), [len(one) for one in shown])
    table = torch.from_numpy(unit(np.concatenate([one.descriptor for one in shown])))
    table = table.bfloat16().T.contiguous()
    voters = max(1, _AT_ONCE // _VOTERS)
    for start in range(0, len(asking), voters):
        rows = asking[start : start + voters].tolist()
        asked = [landmarks[row].first(_VOTERS) for row in rows]
        votes = _votes(asked, table, owner, len(shown))
        for row, tally in zip(rows, votes, strict=True):
            best = np.argsort(-tally, kind="stable")[: _CANDIDATES + 1]
            yield (
                row,
                [
                    (int(examples[index % len(examples)]), bool(index >= len(examples)))
                    for index in best
                    if tally[index] >= _LEAST_VOTES
                ],
            )


def _votes(
    asked: Sequence[Landmarks], table: torch.Tensor, owner: Rows, count: int
) -> npt.NDArray[np.int64]:
    """(len(asked), count): how many landmarks of each picture have their three nearest with each shown one."""
    voter = np.repeat(np.arange(len(asked)), [len(one) for one in asked])
    tally = np.zeros((len(asked), count), np.int64)
    if not len(voter):
        return tally
    descriptors = torch.from_numpy(unit(np.concatenate([one.descriptor for one in asked])))
    nearest = (descriptors.bfloat16() @ table).topk(min(3, table.shape[1]), dim=1)
    alike = (nearest.values > _ALIKE).numpy()
    whose = owner[nearest.indices.numpy()]
    np.add.at(tally, (np.broadcast_to(voter[:, None], whose.shape)[alike], whose[alike]), 1)
    return tally
