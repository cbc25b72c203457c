"""What an evaluation says about one model on held-out cells: classes, probabilities, markers, outliers (SPEC g.4).

Only the shape and the meaning; `evaluate` fills it. White cells are those of a gate class; a figure on classes or
markers never counts anything else. All intervals are 95 %, bootstrapped over fields of view.
"""

from typing import Literal

from phenostream.trainer.evaluation.schema.figure import Closed, Count, Curve, Figure, Share


class ClassFigures(Closed):
    """One class against the rest.

    Attributes:
        name: Of the class.
        n: White test cells of it.
        precision: None where no cell was called this.
        recall: Share of its cells that were called this.
        f1: Harmonic mean of the two.
        auroc: One-vs-rest, of the calibrated probability; None where only one side is there.
        roc: The curve behind it.
    """

    name: str
    n: Count
    precision: Figure | None
    recall: Figure | None
    f1: Figure | None
    auroc: Figure | None
    roc: Curve | None


class Confusion(Closed):
    """Cells per true (row) and predicted (column) class, both in the order of `classes`."""

    classes: tuple[str, ...]
    counts: tuple[tuple[Count, ...], ...]


class Classification(Closed):
    """Classes of the white test cells, as the daemon would call them before it rejects any.

    Attributes:
        n: White test cells.
        accuracy: Share called right.
        accuracy_rejected_wrong: The same with every rejected cell counted as wrong; None where nothing rejects.
        balanced_accuracy: Mean recall over the classes present.
        macro_precision: Mean over the classes present, as macro_recall and macro_f1; a class never called counts 0.
        macro_recall: The same number as balanced_accuracy, kept under its usual name.
        macro_f1: Mean F1 over the classes present.
        kappa: Cohen's.
        classes: One entry per class, in the order of `CLASSES`.
        confusion: Counts.
    """

    n: Count
    accuracy: Figure
    accuracy_rejected_wrong: Figure | None
    balanced_accuracy: Figure
    macro_precision: Figure
    macro_recall: Figure
    macro_f1: Figure
    kappa: Figure | None
    classes: tuple[ClassFigures, ...]
    confusion: Confusion


class ReliabilityBin(Closed):
    """Cells whose largest class probability lies in (low, high]; empty bins are left out.

    Attributes:
        low: Lower end of the bin.
        high: Upper end.
        confidence: Mean largest probability.
        accuracy: Share of them called right.
        n: Cells.
    """

    low: Share
    high: Share
    confidence: Share
    accuracy: Share
    n: Count


class ProbabilityFigures(Closed):
    """How far class probabilities mean what they say.

    Attributes:
        ece: Expected calibration error, 15 equal bins of the largest probability. Resamples are noisier than the cells
            themselves, so the mean excess of theirs is taken off before the interval.
        brier: Mean squared distance to the one-hot truth, summed over classes (0 to 2).
        nll: Mean negative natural log likelihood.
        bins: Of the reliability diagram, behind `ece`.
    """

    ece: Figure
    brier: Figure
    nll: Figure
    bins: tuple[ReliabilityBin, ...]


class ClassSetFigures(Closed):
    """Prediction sets: the classes that cannot be excluded at the promised coverage.

    Attributes:
        nominal: Promised share of cells whose true class is in the set.
        coverage: Measured share.
        by_class: The same per true class; None where the class has no cells.
        mean_size: Classes per set.
        sizes: Share of cells with a set of 0, 1, 2, 3 classes.
    """

    nominal: Share
    coverage: Figure
    by_class: dict[str, Figure | None]
    mean_size: Figure
    sizes: tuple[Share, ...]


class CalibrationFigures(Closed):
    """Probabilities before and after what the bundle applies, and prediction sets.

    Attributes:
        before: Softmax of the bare logits.
        after: The probabilities that a result carries.
        sets: None where the model has none.
    """

    before: ProbabilityFigures
    after: ProbabilityFigures
    sets: ClassSetFigures | None


class WithinClass(Closed):
    """One marker inside one class: what is not "which class is it".

    Attributes:
        name: Of the class.
        n: Its cells with a valid target.
        r: Pearson between prediction and target inside the class; None under 30 cells or without spread.
        oracle_r: What a least-squares fit on the simulator's true size and maturity reaches inside the class, fitted on
            training cells; None where the truth is unknown.
        size_only_r: What the size model reaches inside the class; None without one.
        beyond_class: `r`'s interval excludes 0 from above, so that the prediction knows something of the marker
            beyond the class.
    """

    name: str
    n: Count
    r: Figure | None
    oracle_r: Figure | None
    size_only_r: Figure | None
    beyond_class: bool


class ScaleFigures(Closed):
    """One marker on one scale.

    Attributes:
        scale: ``log``: z of log10 targets; ``linear``: z of linear targets, the published scale.
        r: Pearson.
        spearman: The same on both scales, up to cells that the floor made equal.
        r2: 1 - residual sum of squares over the sum around the test mean; negative is worse than the mean.
        rmse: In z units of the training targets on this scale.
        ccc: Lin's concordance.
        r_above_floor: Pearson without the targets at their column's floor; None where none is or too few are left.
        class_mean_r: Of the mean of the TRUE class: what a perfect classifier with no other skill reaches. Means are
            of the training targets; as predicted_class_mean_r, None where a class has none or is unknown.
        predicted_class_mean_r: Of the mean of the class the model CALLS.
        size_only_r: Of the size model (area, integrated phase); None without one.
        partial_r: Between prediction and target, class means taken out of both.
        within: Per class.
    """

    scale: Literal["log", "linear"]
    r: Figure | None
    spearman: Figure | None
    r2: Figure | None
    rmse: Figure
    ccc: Figure | None
    r_above_floor: Figure | None
    class_mean_r: Figure | None
    predicted_class_mean_r: Figure | None
    size_only_r: Figure | None
    partial_r: Figure | None
    within: tuple[WithinClass, ...]


class ClassInterval(Closed):
    """Intervals of one marker inside one true class; figures are None where the class has no valid target."""

    name: str
    n: Count
    coverage: Figure | None
    width_z: Figure | None


class IntervalFigures(Closed):
    """Marker intervals against the targets as recorded; a target at its floor counts as that number.

    Attributes:
        nominal: Promised coverage.
        coverage: Share of targets inside.
        width_z: Mean width, z units of the model's own scale.
        width_unit: Median width in the marker's unit.
        by_class: Per true class.
    """

    nominal: Share
    coverage: Figure
    width_z: Figure
    width_unit: Figure
    by_class: tuple[ClassInterval, ...]


class MarkerPoints(Closed):
    """Some test cells of one marker, for a picture: same cells in all columns, an even choice of at most 1,000.

    Attributes:
        predicted: z on the log scale.
        measured: The same of the target.
        kind: Index of the true class in `CLASSES`, -1 where unknown.
    """

    predicted: tuple[float, ...]
    measured: tuple[float, ...]
    kind: tuple[int, ...]


class MarkerFigures(Closed):
    """One marker.

    Attributes:
        name: Pooled channel, as in `MARKERS`.
        n: White test cells with a valid target; where hardly any has one, as in a batch that was never gated, those of
            unknown class too.
        at_floor: Share of those at the column's floor.
        log: On log z.
        linear: On linear z.
        intervals: None where the model has none.
        points: For the picture.
    """

    name: str
    n: Count
    at_floor: Share
    log: ScaleFigures
    linear: ScaleFigures
    intervals: IntervalFigures | None
    points: MarkerPoints


class ScoreFigures(Closed):
    """How well one score tells outliers of a kind from white test cells.

    Attributes:
        auroc: Chance that an outlier scores above a white cell.
        fpr95: Share of the outliers that still pass at the threshold that 95 % of white cells pass.
        above_threshold: Share of the outliers beyond the bundle's own threshold.
        roc: Outliers as positives.
    """

    auroc: Figure
    fpr95: Figure
    above_threshold: Figure
    roc: Curve


class OutlierKind(Closed):
    """One kind of what is no white cell as the model knows them.

    Attributes:
        name: Such as ``red``, ``debris``, ``empty``, ``defocus``, ``swap left-right``.
        n: Outliers of it.
        ood: By `ood_score`; None where the model has none.
        reject: By `reject_probability`; None where the model has no reject head.
        caught: Share flagged by either.
    """

    name: str
    n: Count
    ood: ScoreFigures | None
    reject: ScoreFigures | None
    caught: Figure | None


class Outliers(Closed):
    """Outliers per kind beside the same thresholds on white cells.

    Attributes:
        white_flagged: Share of white test cells beyond the out-of-distribution threshold; None without one.
        white_rejected: Share of white test cells that are rejected; None without a reject head.
        rejected_by_class: The same per class; None where a class has no cells.
        kinds: One entry per kind that has cells.
        together: Red cells, debris and empty tiles as one kind, in the mix that the test has of them; None of none.
    """

    white_flagged: Figure | None
    white_rejected: Figure | None
    rejected_by_class: dict[str, Figure | None]
    kinds: tuple[OutlierKind, ...]
    together: OutlierKind | None
