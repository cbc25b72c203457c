"""A saved reference (`engine.summary.reference`) as something to compare with: its shares and markers.

It tells how its frames differ, so that nothing is assumed; of features and brightness it tells nothing, and those are
not compared.
"""

import numpy as np

from phenostream.engine.drift.quantities import quantities_of
from phenostream.engine.drift.sums import Sums
from phenostream.engine.postprocess import CLASSIFIED, REJECTED
from phenostream.engine.summary.histogram import BINS, LIMIT, STEP
from phenostream.engine.summary.window import WindowStatistics


def sums_of(statistics: WindowStatistics) -> Sums:
    """The sums over the frames of counted cells; a marker is told to the middle of its histogram's steps."""
    context, tally = statistics.context, statistics.tally
    sums = Sums(len(quantities_of(context)))
    sums.frames = tally.frames
    classified, rejected = int(tally.status[CLASSIFIED]), int(tally.status[REJECTED])
    rows = [
        [int(count), classified, *tally.spread.shares[k]] for k, count in enumerate(tally.count)
    ]
    told = (rejected, classified + rejected), (tally.unusual, classified)
    known = context.rejects, context.scores_ood
    for (x, n), there, squares in zip(told, known, tally.spread.shares[-2:], strict=True):
        rows.append([x, n, *squares] if there else [0.0] * 5)
    z = (np.arange(BINS) + 0.5) * STEP - LIMIT
    for k, m in np.ndindex(tally.z.shape[:2]):
        ss, sx = tally.spread.markers[k, m]
        nn = tally.spread.shares[k, 0]
        count = int(tally.count[k])
        # the spread counts whole steps from z = 0; the middle of a step lies half a step above
        xx = STEP**2 * (ss + sx + nn / 4)
        rows.append([float(tally.z[k, m] @ z), count, xx, STEP * (sx + nn / 2), nn])
    sums.table[: len(rows)] = np.array(rows, np.float64)
    return sums
