"""How right a classifier of stained cells is: per picture, and per original by majority vote.

Pictures of one original are not independent, so every interval is from resampling originals. An original counts once in
the figures by original, however many pictures it was made into.
"""

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, F32, I32
from phenostream.trainer.data.bccd.folds import class_of_originals
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples
from phenostream.trainer.evaluation.figures.classification import CalledCells, classify
from phenostream.trainer.evaluation.schema.figure import Closed, Count
from phenostream.trainer.evaluation.schema.performance import Classification


class Judged(Closed):
    """Figures on some pictures.

    Attributes:
        pictures: How many.
        originals: That they are of.
        by_picture: Every picture counts once.
        by_original: Every original counts once: the class that most of its pictures are called, against the label of
            most of them.
    """

    pictures: Count
    originals: Count
    by_picture: Classification
    by_original: Classification


def judge(kind: I32, original: I32, probability: F32, bootstrap: BootstrapSettings) -> Judged:
    """Figures on N pictures.

    Args:
        kind: (N,) true class.
        original: (N,) any number per original.
        probability: (N, 3), of which the largest is called.
        bootstrap: Of the intervals.

    Raises:
        BadInput: There is no picture.
    """
    place: I32 = np.unique(original, return_inverse=True)[1].astype(np.int32)
    called = probability.argmax(axis=1).astype(np.int32)
    by_picture = classify(
        CalledCells(Resamples.of(place, bootstrap), kind, called, probability, None)
    )
    truth = class_of_originals(kind, place)
    mean = _mean_per_original(probability, place, len(truth))
    voted = _vote(called, mean, place)
    each = np.arange(len(truth), dtype=np.int32)
    by_original = classify(CalledCells(Resamples.of(each, bootstrap), truth, voted, mean, None))
    if by_picture is None or by_original is None:
        raise BadInput("no picture to judge")
    return Judged(
        pictures=len(kind), originals=len(truth), by_picture=by_picture, by_original=by_original
    )


def _vote(called: I32, mean: F32, place: I32) -> I32:
    """(G,) class that most pictures of an original are called; of several the one of higher mean probability."""
    votes = np.zeros((len(mean), len(CLASSES)))
    np.add.at(votes, (place, called), 1)
    most: I32 = (votes + mean / 2).argmax(axis=1).astype(np.int32)
    return most


def _mean_per_original(probability: F32, place: I32, count: int) -> F32:
    total = np.zeros((count, len(CLASSES)))
    np.add.at(total, place, probability)
    return (total / np.bincount(place, minlength=count)[:, None]).astype(np.float32)
