"""From a checkpoint of others in the published layout to a bundle that says what is not known about it.

The weights come with no calibration, no intervals, no reject head, no training set and, mostly, no unit; the bundle
claims none of these. `docs/import-checkpoint.md` is the page for people, decision 0009 the reasons.
"""

import hashlib
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import BadInput
from phenostream.engine.manifest import Calibration, Manifest, MarkerTransform
from phenostream.engine.types import CROP_PX, Crops
from phenostream.trainer.checkpoint import Card, Checkpoint
from phenostream.trainer.data.simulated import PartSettings, make_cells
from phenostream.trainer.export import refuse_foreign_folder, replace_bundle, write_bundle
from phenostream.trainer.golden import golden_crops
from phenostream.trainer.network.graph import LARGEST_Z, BundleGraph, Preprocess
from phenostream.trainer.published.checkpoint_layout import load_published
from phenostream.trainer.published.marker_statistics import UNKNOWN, UNKNOWN_UNIT, load_statistics
from phenostream.trainer.published.parity import Agreement, compare, load_reference

logger = logging.getLogger(__name__)

UNCALIBRATED: Final = Calibration(
    status="uncalibrated", interval_half_width_z=None, ood_threshold=None, reject_threshold=None
)
_BSCCM_DARK: Final = 30.0
"""Counts with the light off, of the camera the weights were trained on (SPEC f.1)."""
_BSCCM_WHITE: Final = 4095.0
_COUNTS_PER_STEP: Final = 16.0
"""12-bit counts in one step of the training images' 8 bits (SPEC a.3)."""
_NOISE_CROPS: Final = 8
_DESCRIPTION: Final = """\
Imported from a checkpoint in the published layout, trained by others on data that is not known here (data_sha256 is the
hash of the checkpoint file). Input is {scale:.5f} f - {offset:.5f} of the fraction f of full scale, as BSCCM's camera
(dark 30, white 4095 counts) and 8-bit images had it; there is no background division, so the illumination level must be
that of the training images. Markers are pooled fluorescence channels, each one number for several proteins.
Uncalibrated: probabilities are bare softmax; there are no intervals, no out-of-distribution score, and nothing is
rejected that is no white cell."""


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """What to import, and what only the user can know.

    Attributes:
        checkpoint: The file.
        out: Bundle folder to write; an earlier bundle is replaced.
        reference: Outputs to be reproduced before anything is written, or None.
        statistics: What z means, or None.
        name: Of the model, 1 to 64 characters; None: the file's name without its ending.
        version: 1 to 32 characters; None: the first 12 digits of the file's SHA-256.
        licence: Of the weights.
        synthetic: They were trained on simulated cells, or on nothing.
    """

    checkpoint: Path
    out: Path
    reference: Path | None = None
    statistics: Path | None = None
    name: str | None = None
    version: str | None = None
    licence: str = "unknown"
    synthetic: bool = False

    def __post_init__(self) -> None:
        for key, value, longest in (
            ("name", self.name, 64),
            ("version", self.version, 32),
            ("licence", self.licence, 128),
        ):
            if value is not None and not (1 <= len(value) <= longest and value.isprintable()):
                raise BadInput(
                    f"--{key} {value!r:.60}: allowed 1 to {longest} printable characters"
                )
        for file in (self.checkpoint, self.reference, self.statistics):
            if file is not None and file.resolve().is_relative_to(self.out.resolve()):
                raise BadInput(f"{self.out}: holds {file.name}, which replacing it would remove")


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it.

    Attributes:
        manifest: Of the bundle.
        sha256: Its identity.
        agreements: One for each runtime, if there was a reference.
        written: The bundle is in its folder; it is not where a runtime disagreed.
        precisions: Precisions that the bundle has a graph for and that gave the golden outputs.
        served_by: Backend and precision a daemon on this box would take.
    """

    manifest: Manifest
    sha256: str
    agreements: tuple[Agreement, ...]
    written: bool
    precisions: tuple[str, ...]
    served_by: str


def import_checkpoint(settings: ImportSettings) -> Imported:
    """Read, judge, export, compare, and only then write.

    Raises:
        BadInput: A file is refused; or the folder holds something else than a bundle.
        EngineFault: The exported graph does not say what torch says.
    """
    refuse_foreign_folder(settings.out)
    statistics = load_statistics(settings.statistics) if settings.statistics else None
    reference = load_reference(settings.reference) if settings.reference else None
    state = load_published(settings.checkpoint)
    transform = statistics.transform() if statistics else UNKNOWN
    graph = imported_graph(state, transform)
    card = _card(settings, transform, statistics.unit if statistics else UNKNOWN_UNIT)
    settings.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.out.parent, prefix=".import-") as scratch:
        fresh = Path(scratch) / "bundle"
        write_bundle(Checkpoint(graph, card, _golden_inputs()), fresh, narrow="if it fits")
        bundle = load_bundle(fresh)
        network = graph.phenotyper.network
        agreements = (
            compare(reference, network, bundle, graph.preprocess) if reference is not None else ()
        )
        backend = open_backend(bundle, streams=1)
        backend.close()
        good = all(one.good for one in agreements)
        if good:
            replace_bundle(fresh, settings.out)
    precisions = ("fp32", "fp16") if "model.fp16.onnx" in bundle.files else ("fp32",)
    served_by = f"{backend.name} {backend.precision}"
    return Imported(bundle.manifest, bundle.sha256, agreements, good, precisions, served_by)


def published_preprocess() -> Preprocess:
    """From the fraction of full scale to the input the published weights were trained on.

    Theirs is ``x = (u / 255 - 0.5) / 0.5`` with ``u`` = 12-bit count / 16 (SPEC a.3, a.7); a fraction ``f`` of our
    scale is ``count = 30 + 4065 f`` on their camera. Hence ``x = (30 + 4065 f) / 2040 - 1``: for f = 0 it is -0.9853,
    for f = 1 it is 1.0074.

    Exact but for their truncation of ``u`` to whole steps: their x is lower by up to 0.0078, and 0.0039 on average.
    Nothing is divided by the background: a rig whose empty field is brighter or darker than theirs, as a fraction of
    full scale, feeds the network brightness it never saw.
    """
    steps_to_x = 2.0 / (_COUNTS_PER_STEP * 255.0)
    return Preprocess(
        "affine", (_BSCCM_WHITE - _BSCCM_DARK) * steps_to_x, _BSCCM_DARK * steps_to_x - 1.0
    )


def imported_graph(state: Mapping[str, Tensor], transform: MarkerTransform) -> BundleGraph:
    """The one graph around imported weights, with heads that say nothing where the checkpoint has none.

    The out-of-distribution score is 0 and the reject probability below 1e-40 for every cell, and the interval has the
    widest reach there is: what is not known must not look narrow to a reader of the bare graph either.
    """
    graph = BundleGraph(published_preprocess(), transform.scale)
    graph.phenotyper.network.load_state_dict(dict(state), strict=True)
    graph.phenotyper.silence_reject()
    with torch.no_grad():
        for parameter in graph.phenotyper.spread.parameters():
            parameter.zero_()
        graph.marker_mean.copy_(torch.tensor(transform.mean))
        graph.marker_sd.copy_(torch.tensor(transform.sd))
        graph.interval_scale.fill_(LARGEST_Z)
        graph.ood_whiten.zero_()
    return graph.eval()


def _card(settings: ImportSettings, transform: MarkerTransform, unit: str) -> Card:
    digest = hashlib.sha256(settings.checkpoint.read_bytes()).hexdigest()
    stem = settings.checkpoint.stem[:64]
    return Card(
        name=settings.name or (stem if stem.isprintable() else "imported"),
        version=settings.version or digest[:12],
        synthetic=settings.synthetic,
        description=_description(),
        marker_unit=unit,
        marker_transform=transform,
        calibration=UNCALIBRATED,
        data_sha256=digest,
        licence=settings.licence,
        reduction_kernel="bsccm-gaussian",
    )


def _description() -> str:
    preprocess = published_preprocess()
    text = _DESCRIPTION.format(scale=preprocess.scale, offset=-preprocess.offset)
    return " ".join(text.split())


def _golden_inputs() -> Crops:
    """Crops for the self-test: simulated cells at BSCCM's camera levels, then noise over the whole range of input.

    The first show what a runtime does to cells, the second what it does at the ends of its range. Always the same.
    """
    with tempfile.TemporaryDirectory() as cache:
        cells = golden_crops(make_cells(PartSettings("calibrate", "easy", 1, 50, 64), Path(cache)))
    noise = np.random.default_rng(0).random((_NOISE_CROPS, 4, CROP_PX, CROP_PX), np.float32)
    return Crops(
        np.concatenate([cells.images, noise]),
        np.concatenate([cells.background, np.median(noise, axis=(2, 3))]),
    )
