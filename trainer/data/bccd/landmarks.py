"""Points of a picture that are found again when it is turned, sheared or mirrored, and how two pictures are compared.

A picture is described by SIFT points (Lowe 2004) as square-rooted histograms (RootSIFT, Arandjelovic and Zisserman
2012). A mirrored picture has the same histograms in another order, so a mirror image is recognised without being
drawn. Two pictures show the same field if enough points agree with one affine map.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.types import F32, U8

MOST_POINTS: Final = 64
"""Per picture, strongest first."""
_LENGTH: Final = 128
_CONTRAST: Final = 0.004
_EDGE: Final = 15
_DARK: Final = 12
"""A pixel no brighter than this in any colour is the fill of a turned picture's corners, which has no cells."""
_MARGIN_PX: Final = 9
_ALIKE: Final = 0.75
"""Least product of two descriptors that may be the same point."""
_REACH_PX: Final = 2.5
_LEAST_PAIRS: Final = 6
_MOST_STRETCH: Final = 2.0
_SAME_PLACE_PX: Final = 3
_CELLS, _DIRECTIONS = 4, 8


@dataclass(frozen=True, slots=True)
class Landmarks:
    """N points of one picture, N may be 0.

    Attributes:
        place: (N, 2) float32, x and y in pixels.
        descriptor: (N, 128) uint8: 255 times a vector of length 1 without negative parts.
    """

    place: F32
    descriptor: U8

    def __len__(self) -> int:
        return len(self.place)

    def first(self, count: int) -> "Landmarks":
        """The strongest ones."""
        return Landmarks(self.place[:count], self.descriptor[:count])

    def mirrored(self) -> "Landmarks":
        """Of the picture turned over, without looking at it: x changes sign."""
        return Landmarks(self.place * np.array([-1, 1], np.float32), self.descriptor[:, _MIRROR])


def _mirror_order() -> npt.NDArray[np.intp]:
    """Where each number of a descriptor comes from when left and right change places in its own frame."""
    row, column, direction = np.mgrid[:_CELLS, :_CELLS, :_DIRECTIONS]
    order = (row * _CELLS + column) * _DIRECTIONS + direction
    turned_over = order[::-1, :, :]
    backwards = (-np.arange(_DIRECTIONS)) % _DIRECTIONS
    flat: npt.NDArray[np.intp] = turned_over[:, :, backwards].reshape(-1)
    return flat


_MIRROR: Final = _mirror_order()


class LandmarkFinder:
    """Finds landmarks; one finder serves any number of pictures."""

    def __init__(self) -> None:
        self._sift = cv2.SIFT.create(
            nfeatures=MOST_POINTS, contrastThreshold=_CONTRAST, edgeThreshold=_EDGE
        )

    def find(self, picture: U8) -> Landmarks:
        """Of a picture (H, W, 3) uint8; none on the black fill or near its border."""
        lit = (picture.max(axis=2) > _DARK).astype(np.uint8)
        lit = cv2.morphologyEx(lit, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        lit = cv2.erode(lit, np.ones((_MARGIN_PX, _MARGIN_PX), np.uint8), borderValue=1)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        points, raw = self._sift.detectAndCompute(grey, lit * 255)
        if raw is None:
            return Landmarks(np.zeros((0, 2), np.float32), np.zeros((0, _LENGTH), np.uint8))
        order = np.argsort([-point.response for point in points], kind="stable")[:MOST_POINTS]
        place = np.array([points[index].pt for index in order], np.float32)
        share = raw[order] / np.maximum(raw[order].sum(axis=1, keepdims=True), 1e-6)
        return Landmarks(place, np.round(255 * np.sqrt(share)).astype(np.uint8))


def unit(descriptor: U8) -> F32:
    """Descriptors (N, 128) as vectors of length about 1: the product of two is 1 for equal ones."""
    return descriptor.astype(np.float32) / np.float32(255)


def agreement(one: Landmarks, other: Landmarks) -> int:
    """Points of one picture that one affine map puts onto points of the other that look like them.

    Pairs are each other's nearest; points within 3 px of each other count once. 0 for maps that shrink or stretch more
    than twofold, which no augmentation does.
    """
    if min(len(one), len(other)) < _LEAST_PAIRS:
        return 0
    alike = unit(one.descriptor) @ unit(other.descriptor).T
    nearest = alike.argmax(axis=1)
    rows = np.arange(len(one))
    mutual = (alike.argmax(axis=0)[nearest] == rows) & (alike[rows, nearest] > _ALIKE)
    if mutual.sum() < _LEAST_PAIRS:
        return 0
    here, there = one.place[mutual], other.place[nearest[mutual]]
    cv2.setRNGSeed(1)
    affine, inside = cv2.estimateAffine2D(
        here, there, ransacReprojThreshold=_REACH_PX, maxIters=300, confidence=0.99
    )
    if affine is None:
        return 0
    largest, least = np.linalg.svd(affine[:, :2], compute_uv=False)
    if largest > _MOST_STRETCH or least < 1 / _MOST_STRETCH:
        return 0
    agreeing = here[inside[:, 0] > 0] / _SAME_PLACE_PX
    return len(np.unique(np.round(agreeing), axis=0))
