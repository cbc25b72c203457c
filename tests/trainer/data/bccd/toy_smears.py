"""Drawn stained smears: fields with red cells and one white cell, each turned, sheared and mirrored several times."""

import hashlib
from pathlib import Path

import cv2
import numpy as np

from phenostream.engine.types import U8
from phenostream.trainer.data.bccd.smears import Smears

LABELS = ("LYMPHOCYTE", "NEUTROPHIL", "MONOCYTE")
_CLEAR = (214, 206, 196)
_RED = (188, 150, 150)
_NUCLEUS = (110, 60, 170)
_BODY = (190, 160, 205)


def field(kind: int, seed: int, side: int = 192) -> U8:
    """One original: RGB, larger than a picture so that a turned one has no black corner unless it is shifted."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), _CLEAR, np.uint8)
    for _ in range(60):
        x, y = rng.integers(0, side, 2).tolist()
        axes = rng.integers(6, 12, 2).tolist()
        cv2.ellipse(image, (x, y), axes, float(rng.integers(180)), 0, 360, _RED, -1)
        cv2.circle(image, (x + int(rng.integers(-2, 3)), y), int(rng.integers(1, 5)), _CLEAR, -1)
    for _ in range(40):
        x, y = rng.integers(0, side, 2).tolist()
        cv2.circle(image, (x, y), 1, tuple(rng.integers(60, 250, 3).tolist()), -1)
    middle = side // 2
    body, nucleus = ((15, 13), (19, 7), (26, 17))[kind]
    cv2.circle(image, (middle, middle), body + 8, _CLEAR, -1)
    cv2.circle(image, (middle, middle), body, _BODY, -1)
    for lobe in range(3 if kind == 1 else 1):
        shift = np.array([8 * np.cos(2.1 * lobe), 8 * np.sin(2.1 * lobe)]) if kind == 1 else [0, 0]
        place = (int(middle + shift[0]), int(middle + shift[1]))
        cv2.circle(image, place, nucleus, _NUCLEUS, -1)
    noise = rng.normal(0, 3, image.shape)
    return np.asarray((cv2.GaussianBlur(image, (0, 0), 0.8) + noise).clip(0, 255), np.uint8)


def changed(original: U8, rng: np.random.Generator) -> U8:
    """A picture of 128 x 128: turned up to 25 degrees, sheared, shifted, perhaps mirrored, black beyond the field."""
    side = original.shape[0]
    angle, shear = np.deg2rad(rng.uniform(-25, 25)), rng.uniform(-0.15, 0.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.array([[1, shear], [0, 1]]) * rng.uniform(0.9, 1.05)
    if rng.integers(2):
        linear = linear @ np.diag([1, -1])
    shift = 64 + rng.uniform(-18, 18, 2) - linear @ np.array([side / 2, side / 2])
    affine = np.concatenate([linear, shift[:, None]], axis=1)
    return np.asarray(
        cv2.warpAffine(original, affine, (128, 128), flags=cv2.INTER_LINEAR), np.uint8
    )


def toy_smears(originals: int, each: int, seed: int = 0) -> tuple[Smears, list[int]]:
    """So many originals, their classes in turn, with so many pictures of each; and the original of each picture."""
    rng = np.random.default_rng(seed)
    pictures, kinds, whose = [], [], []
    for original in range(originals):
        drawn = field(original % 3, 1_000 * seed + original)
        for _ in range(each):
            pictures.append(changed(drawn, rng))
            kinds.append(original % 3)
            whose.append(original)
    count = len(pictures)
    smears = Smears(
        np.stack(pictures),
        np.array(kinds, np.int32),
        ("ALL",) * count,
        tuple(LABELS[kind] for kind in kinds),
        tuple(f"{number}.png" for number in range(count)),
        tuple(hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures),
        0,
        (),
    )
    return smears, whose


def jpeg(picture: U8) -> bytes:
    """As a file, at a quality that loses little."""
    _, file = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    return file.tobytes()


def write_folder(smears: Smears, root: Path) -> Path:
    """``root/CLASS/number.jpeg`` for every picture."""
    for number, (picture, label) in enumerate(zip(smears.images, smears.label, strict=True)):
        folder = root / label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"_{number}_.jpeg").write_bytes(jpeg(picture))
    return root
