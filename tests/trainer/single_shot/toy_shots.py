"""Tiny single-shot models and folders of figures, for tests: nothing here can tell cells apart."""

from pathlib import Path

import cv2
import numpy as np
import torch

from phenostream.engine.types import U8
from phenostream.trainer.classifier.checkpoint import (
    PictureCard,
    PictureCheckpoint,
    TrainedOn,
    save_classifier,
)
from phenostream.trainer.classifier.model import PictureClassifier
from phenostream.trainer.classifier.pictures import Pictures
from phenostream.trainer.classifier.scaling import Scaling
from phenostream.trainer.classifier.settings import FitSettings
from phenostream.trainer.network.network_options import NetworkOptions

LABELS = ("lymphocyte", "granulocyte", "monocyte", "rbc", "unknown")
RADIUS = {"lymphocyte": 20, "granulocyte": 30, "monocyte": 38, "rbc": 14, "unknown": 26}
NETWORK = NetworkOptions(inputs="single", tasks="classes", vit=False)


def drawn(label: str, seed: int) -> U8:
    """A bright disc of the label's size on noise, (128, 128)."""
    rng = np.random.default_rng([LABELS.index(label), seed])
    plane = rng.normal(90, 6, (128, 128)).astype(np.float32)
    cv2.circle(plane, (64, 64), RADIUS[label] + seed % 3, 180.0, -1)
    return np.clip(plane, 0, 255).astype(np.uint8)


def figures_folder(root: Path, each: int = 4, labels: tuple[str, ...] = LABELS) -> Path:
    """So many pictures of each label, with an index."""
    (root / "png").mkdir(parents=True)
    rows = ["name,channel,cls"]
    for label in labels:
        for seed in range(each):
            name = f"{label}_{seed}"
            cv2.imwrite(str(root / "png" / f"{name}.png"), drawn(label, seed))
            rows.append(f"{name},DPC_Left,{label}")
    (root / "index.csv").write_text("\n".join(rows) + "\n")
    return root


def random_pictures(count: int, seed: int = 0) -> Pictures:
    """Smooth noise, (count, 1, 28, 28), of kinds 0 to 4 in turn."""
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, (count, 1, 7, 7), dtype=np.uint8).repeat(4, 2).repeat(4, 3)
    index = np.arange(count, dtype=np.int32)
    return Pictures(planes, index % 5, index, tuple(map(str, index)))


def random_model(seed: int = 1) -> PictureClassifier:
    """Weights as they are drawn, with norm statistics of some noise."""
    torch.manual_seed(seed)
    model = PictureClassifier(NETWORK, Scaling())
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.from_numpy(random_pictures(16, seed).images))
    return model.eval()


def saved_model(folder: Path) -> Path:
    """A checkpoint of `random_model`."""
    card = PictureCard(
        name="toy",
        version="1",
        task="single-shot",
        synthetic=True,
        description="Random weights.",
        trained_on=(TrainedOn.of("noise", "training", random_pictures(10)),),
        settings=FitSettings(network=NETWORK),
        scaling=Scaling(),
        temperature=1.0,
        licence="Apache-2.0",
    )
    return save_classifier(PictureCheckpoint(random_model(), card), folder)
