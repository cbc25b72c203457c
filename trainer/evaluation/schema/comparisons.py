"""What stands beside the figures of a model so that they can be believed: baselines, controls, ablations, pictures.

Only the shape and the meaning; each is filled by the module of its name. Intervals are 95 %, bootstrapped over fields
of view, as everywhere.
"""

from pydantic import Field

from phenostream.trainer.evaluation.schema.figure import Closed, Count, Figure, Share


class Baseline(Closed):
    """A simple model on the same split: what the network must beat.

    Attributes:
        name: ``majority``, ``logistic on pixels``, ``MLP on pixels``, ``size only``.
        what: One sentence: input, model, what it was fitted on.
        accuracy: None for a baseline of markers only; balanced_accuracy and macro_f1 likewise.
        marker_r: Pearson on log z per marker; empty for one of classes only.
    """

    name: str
    what: str
    accuracy: Figure | None = None
    balanced_accuracy: Figure | None = None
    macro_f1: Figure | None = None
    marker_r: dict[str, Figure | None] = Field(default_factory=dict)


class Control(Closed):
    """An experiment whose outcome is known beforehand if all is well.

    Attributes:
        name: ``shuffled targets``, ``position only``, ``brightness only``, ``channels permuted``, ``flips unswapped``.
        what: One sentence: what was done.
        expected: One sentence: what it should give.
        figures: Measured, by name.
        as_expected: None where the figures cannot tell.
        verdict: One sentence.
    """

    name: str
    what: str
    expected: str
    figures: dict[str, Figure]
    as_expected: bool | None
    verdict: str


class Ablation(Closed):
    """The network with one thing changed, trained and measured in the same way.

    Attributes:
        name: ``full``, ``no ECA``, ``no CNN``, ``no ViT``, ``no gating``, ``class only``, ``markers only``,
            ``DPC input``.
        what: One sentence.
        parameters: Trainable numbers.
        accuracy: None where it has no classes; macro_f1 likewise.
        marker_r: Pearson on log z per marker; empty where it has no markers.
    """

    name: str
    what: str
    parameters: Count
    accuracy: Figure | None = None
    macro_f1: Figure | None = None
    marker_r: dict[str, Figure | None] = Field(default_factory=dict)


class Picture(Closed):
    """A small PNG.

    Attributes:
        png_base64: The file.
        alt: What it shows, for who cannot see it.
        caption: Below it.
    """

    png_base64: str
    alt: str
    caption: str


class GalleryCell(Closed):
    """One test cell shown for a reason.

    Attributes:
        reason: ``right and sure``, ``wrong and sure``, ``rejected``, ``farthest marker``.
        row: Of the test set.
        true: Class by its label, or kind.
        called: Class the model says, or ``rejected``.
        probability: Of the called class.
        picture: The four shots and the DPC contrast.
    """

    reason: str
    row: Count
    true: str
    called: str
    probability: Share
    picture: Picture


class Gallery(Closed):
    """Cells, and where in the crop the model's outputs are sensitive."""

    cells: tuple[GalleryCell, ...] = ()
    gradient_maps: tuple[Picture, ...] = ()


class Reference(Closed):
    """A published number, shown beside ours and never a pass mark.

    Attributes:
        name: What it measures.
        value: As published.
        source: Where.
        wording: How it may be compared.
    """

    name: str
    value: float
    source: str
    wording: str
