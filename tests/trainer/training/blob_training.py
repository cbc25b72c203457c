"""A whole training on blobs, as a process of its own: a folder, then settings as JSON.

python -m tests.trainer.training.blob_training FOLDER '{"epochs": 3}'
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phenostream.trainer.training.settings import TrainSettings
from phenostream.trainer.training.train import CardFacts, TrainingData, train_on
from tests.trainer.training.blob_cells import blobs


def train_blobs(folder: Path, chosen: Mapping[str, Any]) -> None:
    """Train, calibrate, evaluate and save."""
    settings = TrainSettings.model_validate({"out": folder, **chosen})
    data = TrainingData(
        train=blobs(240, 0),
        select=blobs(60, 1),
        calibrate=blobs(180, 2),
        test={"synthetic blobs": blobs(180, 3)},
        facts=CardFacts(name="blobs"),
    )
    train_on(data, settings, folder)


if __name__ == "__main__":
    train_blobs(Path(sys.argv[1]), json.loads(sys.argv[2]))
