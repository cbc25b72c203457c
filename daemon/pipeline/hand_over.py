"""Frames of a model that has no backend left, given to the model that stands by.

A frame is wholly one model's: one of which cells were inferred already, or are in another batch, is not given away.
"""

import numpy as np

from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.entries import Passage
from phenostream.daemon.swap.models import Models
from phenostream.engine.batcher import Batch, Part


def handed_over(
    batch: Batch[Passage], models: Models, of: ServedModel
) -> tuple[Batch[Passage] | None, tuple[Part[Passage], ...]]:
    """Give the frames of a batch to the model that stands by.

    Args:
        batch: Of frames of one model.
        models: Which model stands by, if any.
        of: The model that cannot infer them.

    Returns:
        The batch of those that were given, None where there are none, and the parts that were not.
    """
    to = models.take_over(of, len(batch.parts))
    if to is None:
        return None, batch.parts
    given = [part for part in batch.parts if part.token.change_model(part, to)]
    left = tuple(part for part in batch.parts if part not in given)
    models.taken(of, to, len(given), len(left))
    if not given:
        return None, left
    rows = np.concatenate(
        [np.arange(part.batch_slice.start, part.batch_slice.stop) for part in given]
    )
    parts, begin = [], 0
    for part in given:
        end = begin + part.batch_slice.stop - part.batch_slice.start
        parts.append(Part(part.token, part.frame_slice, slice(begin, end)))
        begin = end
    return Batch(batch.images[rows], batch.background[rows], tuple(parts)), left
