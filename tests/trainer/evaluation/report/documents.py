"""A whole document with a value in every field: made up, for looking at and for testing the page."""

import base64
import struct
import zlib
from typing import Any

import numpy as np

from phenostream.engine.types import CLASSES, MARKERS
from phenostream.trainer.evaluation.schema.comparisons import (
    Ablation,
    Baseline,
    Control,
    Gallery,
    GalleryCell,
    Picture,
    Reference,
)
from phenostream.trainer.evaluation.schema.document import (
    DataFacts,
    DataSection,
    Evaluation,
    Headline,
    PartCounts,
    Provenance,
    SubjectFacts,
)
from phenostream.trainer.evaluation.schema.figure import Curve, Figure
from phenostream.trainer.evaluation.schema.performance import (
    CalibrationFigures,
    ClassFigures,
    Classification,
    ClassInterval,
    ClassSetFigures,
    Confusion,
    IntervalFigures,
    MarkerFigures,
    MarkerPoints,
    OutlierKind,
    Outliers,
    ProbabilityFigures,
    ReliabilityBin,
    ScaleFigures,
    ScoreFigures,
    WithinClass,
)
from phenostream.trainer.evaluation.schema.reproduction import (
    Gap,
    Reproduction,
    SeedSpread,
    Verdict,
)

REFUSAL = "monocyte has 12 test cells, at least 30 are needed"
_COUNTS = ((512, 18, 6), (25, 1170, 33), (9, 31, 158))


def figure(value: float, half: float = 0.02, n: int = 1962) -> Figure:
    return Figure(value=value, low=round(value - half, 4), high=round(value + half, 4), n=n)


def png(seed: int = 0, side: int = 28) -> str:
    """A small grey picture."""
    rows = np.random.default_rng(seed).integers(60, 190, (side, side * 5), np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", side * 5, side, 8, 0, 0, 0, 0)
    whole = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + whole).decode()


def evaluation(**changes: Any) -> Evaluation:
    """One model on one simulated set."""
    whole = Evaluation(
        subject=SubjectFacts(
            name="phenostream-demo 0.3.0", synthetic=True, source="bundle", identity="a" * 64,
            runtime="openvino bf16", calibrated=True, marker_unit="a.u. (synthetic)",
            parameters=1_816_244,
        ),
        data=_data(),
        headline=Headline(
            refusal=None,
            lines=(
                "Class accuracy 0.938 [0.928, 0.948] on 1,962 synthetic white cells; the majority gives 0.626.",
                "Marker information beyond class: CD16 within granulocytes, r 0.22 [0.17, 0.27].",
            ),
        ),
        classification=_classification(),
        calibration=_calibration(),
        markers=tuple(_marker(i, name) for i, name in enumerate(MARKERS)),
        outliers=_outliers(),
        baselines=(
            Baseline(name="majority", what="The largest class of the training cells, always.",
                     accuracy=figure(0.626), balanced_accuracy=figure(0.333, 0), macro_f1=figure(0.257, 0.01)),
            Baseline(name="logistic on pixels", what="Logistic regression on ratio pixels of training cells.",
                     accuracy=figure(0.871), balanced_accuracy=figure(0.81), macro_f1=figure(0.8)),
            Baseline(name="MLP on pixels", what="One hidden layer of 64 on the same pixels.", accuracy=figure(0.912),
                     balanced_accuracy=figure(0.89), macro_f1=figure(0.88), marker_r={"CD16": figure(0.85)}),
            Baseline(name="size only", what="Area and integrated phase.", accuracy=figure(0.70),
                     marker_r={name: figure(0.4) for name in MARKERS}),
        ),
        controls=(
            Control(name="shuffled targets", what="Trained again on targets in random order.",
                    expected="r near 0, accuracy near the majority's.",
                    figures={"r CD16": figure(0.01, 0.05), "accuracy": figure(0.62)}, as_expected=True,
                    verdict="Nothing is learnt from shuffled targets."),
            Control(name="position only", what="Marker levels from the place in the field.", expected="r near 0.",
                    figures={"r CD16": figure(0.12, 0.04)}, as_expected=False,
                    verdict="The place in the field says something of CD16: shading leaks."),
            Control(name="brightness only", what="Classes from the mean level.", expected="Near the majority.",
                    figures={"accuracy": figure(0.63)}, as_expected=None, verdict="Too few fields to tell."),
        ),
        ablations=(
            Ablation(name="full", what="The published network.", parameters=1_816_244, accuracy=figure(0.938),
                     macro_f1=figure(0.91), marker_r={name: figure(0.8) for name in MARKERS}),
            Ablation(name="no ECA", what="Without channel attention.", parameters=1_816_241, accuracy=figure(0.937),
                     macro_f1=figure(0.91), marker_r={name: figure(0.8) for name in MARKERS}),
            Ablation(name="class only", what="Without marker heads.", parameters=1_500_000,
                     accuracy=figure(0.935), macro_f1=figure(0.9)),
        ),
        gallery=Gallery(
            cells=tuple(
                GalleryCell(reason=reason, row=10 * i + j, true="monocyte", called=called, probability=0.98,
                            picture=Picture(png_base64=png(10 * i + j), alt=f"{reason}, cell {j}: four shots",
                                            caption="Left, right, top, bottom, DPC."))
                for i, (reason, called) in enumerate([("right and sure", "monocyte"),
                                                      ("wrong and sure", "granulocyte"), ("rejected", "rejected")])
                for j in range(4)
            ),
            gradient_maps=tuple(
                Picture(png_base64=png(90 + i), alt=f"Gradient of {name}", caption=f"Gradient of {name}.")
                for i, name in enumerate(CLASSES)
            ),
        ),
        references=(
            Reference(name="accuracy, %", value=91.3, source="published table",
                      wording="published, different split/targets unclear"),
            Reference(name="r CD16", value=0.726, source="published table",
                      wording="published, different split/targets unclear"),
        ),
        provenance=Provenance(
            command="phenostream evaluate demo --dataset simulated --out work/evaluation", seed=1,
            bootstrap_seed=0, resamples=1000, versions={"phenostream": "0.1.0", "torch": "2.8.0"},
            settings={"epochs": 5, "narrow": True, "recipe": "ours"},
        ),
    )  # fmt: skip
    return whole.model_copy(update=changes)


def refused() -> Evaluation:
    """The same where one class is too small for a headline."""
    return evaluation(headline=Headline(refusal=REFUSAL, lines=()))


def reproduction(*evaluations: Evaluation, **changes: Any) -> Reproduction:
    """Two seeds of it, unless others are given."""
    many = evaluations or (evaluation(), evaluation())
    whole = Reproduction(
        protocol="clean", quick=True, synthetic=True, seeds=tuple(range(1, len(many) + 1)),
        evaluations=many,
        spread=(
            SeedSpread(name="accuracy", mean=0.9381, sd=0.0042, values=(0.9351, 0.9411)),
            SeedSpread(name="r CD16, linear", mean=0.7251, sd=None, values=(0.7251, None)),
        ),
        gaps=(Gap(name="paper minus clean", figure="accuracy", value=0.0123, sd=0.006),
              Gap(name="clean minus fov", figure="r CD16, linear", value=-0.004, sd=None)),
        verdicts=(
            Verdict(name="accuracy", reproduced=False, published=0.913, tolerance=0.02,
                    text="not reproduced: 0.938 against 0.913 ± 0.020"),
            Verdict(name="r CD16, linear", reproduced=True, published=0.726, tolerance=0.03,
                    text="reproduced: 0.725 against 0.726 ± 0.030"),
        ),
        checks={"no cell in two parts": True, "every part has all classes": False},
        notes=("Two seeds only.",),
    )  # fmt: skip
    return whole.model_copy(update=changes)


def _data() -> DataSection:
    kinds = {"lymphocyte": 536, "granulocyte": 1228, "monocyte": 198, "red": 1105, "debris": 320}
    return DataSection(
        facts=DataFacts(
            name="simulated, preset hard", synthetic=True, protocol="fov",
            hashes={"packed cells": "b" * 64, "split": "c" * 64}, rows=24_000,
            labelled_before={"lymphocyte": 540, "granulocyte": 1230, "monocyte": 199},
            labelled_after={"lymphocyte": 536, "granulocyte": 1228, "monocyte": 198},
            conflicts=7, near_pairs=2,
            present={"conditions": "all, CD45, CD16, unstained", "batches": "0, 1", "slides": "0, 1, 2",
                     "fields of view": "148"},
            pixel_size_um=0.2, objective="NA 0.5", supervised=dict.fromkeys(MARKERS, 1962),
            at_floor=dict(zip(MARKERS, (0.031, 0.004, 0.0, 0.012), strict=True)),
            notes=("Simulated with donor, slide and field offsets.",),
        ),
        parts=(
            PartCounts(name="train", cells=16_000, fields=96, kinds=kinds, sha256="d" * 64),
            PartCounts(name="test", cells=3_387, fields=24, kinds=kinds, sha256="e" * 64),
            PartCounts(name="outliers: defocus", cells=400, fields=24, kinds={"unlabelled": 400}, sha256="f" * 64),
        ),
    )  # fmt: skip


def _roc(steepness: float) -> Curve:
    x = np.linspace(0, 1, 400)
    return Curve(x=tuple(x.tolist()), y=tuple((1 - (1 - x) ** steepness).tolist()))


def _classification() -> Classification:
    return Classification(
        n=1962, accuracy=figure(0.938, 0.01), accuracy_rejected_wrong=figure(0.936, 0.01),
        balanced_accuracy=figure(0.902), macro_precision=figure(0.89), macro_recall=figure(0.902),
        macro_f1=figure(0.896), kappa=figure(0.88),
        classes=tuple(
            ClassFigures(name=name, n=sum(_COUNTS[i]), precision=figure(0.94), recall=figure(0.955 - 0.07 * i),
                         f1=figure(0.93), auroc=figure(0.99 - 0.01 * i, 0.004), roc=_roc(60 - 20 * i))
            for i, name in enumerate(CLASSES)
        ),
        confusion=Confusion(classes=CLASSES, counts=_COUNTS),
    )  # fmt: skip


def _calibration() -> CalibrationFigures:
    def figures(over: float, ece: float) -> ProbabilityFigures:
        bins = tuple(
            ReliabilityBin(low=i / 15, high=(i + 1) / 15, confidence=(i + 0.5) / 15,
                           accuracy=max(0.0, (i + 0.5) / 15 - over * (15 - i) / 10),
                           n=1500 if i == 14 else 20 + 4 * i)
            for i in range(5, 15)
        )  # fmt: skip
        return ProbabilityFigures(
            ece=figure(ece, 0.005), brier=figure(0.1), nll=figure(0.2), bins=bins
        )

    sets = ClassSetFigures(
        nominal=0.9, coverage=figure(0.905), mean_size=figure(1.08), sizes=(0.01, 0.9, 0.08, 0.01),
        by_class={"lymphocyte": figure(0.91), "granulocyte": figure(0.9), "monocyte": None},
    )  # fmt: skip
    return CalibrationFigures(before=figures(0.12, 0.062), after=figures(0.01, 0.012), sets=sets)


def _marker(index: int, name: str) -> MarkerFigures:
    rng = np.random.default_rng(index)
    kind = rng.choice(3, 1000, p=(0.27, 0.63, 0.1))
    level = np.array(
        [(-0.5, -0.4, 2.2), (1.5, -0.7, -0.6), (0.6, -0.5, 0.7), (-1.4, 0.8, -1.1)][index]
    )[kind]
    measured = level + rng.normal(0, 0.45, 1000)
    predicted = level + 0.25 * (measured - level) + rng.normal(0, 0.1, 1000)

    def scale(which: Any, shift: float) -> ScaleFigures:
        within = tuple(
            WithinClass(name=one, n=sum(_COUNTS[i]), r=figure(0.05 + 0.17 * (index == 3) * (i == 1), 0.05),
                        oracle_r=figure(0.3 + 0.05 * i), size_only_r=figure(0.08, 0.05),
                        beyond_class=index == 3 and i == 1)
            for i, one in enumerate(CLASSES)
        )  # fmt: skip
        return ScaleFigures(
            scale=which, r=figure(0.89 - shift), spearman=figure(0.7), r2=figure(-0.04 if index == 0 else 0.74),
            rmse=figure(0.47), ccc=figure(0.85), r_above_floor=figure(0.88), class_mean_r=figure(0.92 - shift),
            predicted_class_mean_r=figure(0.88 - shift), size_only_r=figure(0.41), partial_r=figure(0.12, 0.04),
            within=within,
        )  # fmt: skip

    intervals = IntervalFigures(
        nominal=0.9, coverage=figure(0.902), width_z=figure(1.5), width_unit=figure(41.2, 3),
        by_class=tuple(
            ClassInterval(name=one, n=sum(_COUNTS[i]), coverage=figure(0.93 - 0.04 * i), width_z=figure(1.4))
            for i, one in enumerate(CLASSES)
        ),
    )  # fmt: skip
    return MarkerFigures(
        name=name, n=1962, at_floor=0.012, log=scale("log", 0.0), linear=scale("linear", 0.15), intervals=intervals,
        points=MarkerPoints(predicted=tuple(predicted.round(3).tolist()), measured=tuple(measured.round(3).tolist()),
                            kind=tuple(kind.tolist())),
    )  # fmt: skip


def _outliers() -> Outliers:
    def score(auroc: float) -> ScoreFigures:
        return ScoreFigures(auroc=figure(auroc, 0.01), fpr95=figure(1 - auroc), above_threshold=figure(auroc),
                            roc=_roc(1 / max(1 - auroc, 0.01)))  # fmt: skip

    named = {"red": 0.999, "debris": 0.981, "empty": 0.99, "defocus": 0.912, "swap left-right": 0.43,
             "swap left-top": 0.88, "swap left-bottom": 0.87, "swap right-top": 0.86}  # fmt: skip
    return Outliers(
        white_flagged=figure(0.021), white_rejected=figure(0.004),
        rejected_by_class=dict.fromkeys(CLASSES, figure(0.004)),
        together=OutlierKind(name="together", n=1200, ood=score(0.99), reject=score(0.99),
                             caught=figure(0.94)),
        kinds=tuple(
            OutlierKind(name=name, n=400, ood=score(auroc),
                        reject=None if "swap" in name else score(min(0.995, auroc + 0.01)), caught=figure(auroc - 0.05))
            for name, auroc in named.items()
        ),
    )  # fmt: skip
