"""A population as a bundle tells it, of made-up frames."""

import numpy as np

from phenostream.engine.drift.frame import Projection
from phenostream.engine.drift.population import Population, population_bytes
from phenostream.engine.manifest import TrainingPopulation
from tests.engine.drift.toy_frames import Sample, summed

FACTS = TrainingPopulation(
    cells="made up", frames=5, classified=150, synthetic=True, precision="fp32"
)


def toy_population() -> bytes:
    """Its file."""
    axes = np.ones((256, 8), np.float32)
    return population_bytes(
        Population(summed(Sample(), 5, 1), Projection(np.zeros(256, np.float32), axes))
    )
