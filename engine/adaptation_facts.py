"""What a manifest says of fitting a model's normalisation to a site: what is needed for it, or that it was done.

Closed schema, as all of the manifest; knows no file.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue

from phenostream.engine.closed import Closed, Sha256

NORMALISATION_FILE: Final = "normalisation.npz"
"""What the graph's folded batch normalisations were, and what they saw of each kind of cell."""

_Count = Annotated[int, Field(ge=0)]
_Part = Annotated[float, Field(ge=0, le=1)]
_Amount = Annotated[float, Field(ge=0)]


class Normalisation(Closed):
    """What `normalisation.npz` needs beside it, for a network with live batch normalisations to be made again.

    Attributes:
        network: Options of the network's shape, by name.
        preprocess_scale: Of `Manifest.preprocess`, where that is ``affine``.
        preprocess_offset: Likewise.
        cells: Held-out cells of each class, and other objects, that the file's statistics by kind were measured on.
        synthetic: Simulated cells.
    """

    network: dict[str, JsonValue]
    preprocess_scale: float
    preprocess_offset: float
    cells: tuple[_Count, _Count, _Count, _Count]
    synthetic: bool


class LayerMove(Closed):
    """How far the statistics of one batch normalisation were moved, as means over its channels.

    Attributes:
        layer: Its name.
        mean: Distance of the means, in standard deviations of the training.
        log_sd: Distance of the natural logarithms of the standard deviations.
    """

    layer: Annotated[str, Field(min_length=1, max_length=128)]
    mean: _Amount
    log_sd: _Amount


class Adapted(Closed):
    """That a model's normalisation was fitted to a site's unlabelled cells, and how: no label was used.

    Attributes:
        source: The recording and its instruments, in words.
        source_sha256: Of the recording's file.
        synthetic: Its cells are simulated.
        frames: Of the recording.
        cells: Inside them, that the model was fitted to.
        white_cells: Of these, each counted by its probability of being one.
        rejected: Share of the cells that the fitted model rejects.
        flagged: Share of those it keeps that it flags as unlike its training cells.
        shares: Of the classes among the white cells, as estimated.
        priors: The class probabilities still hold for the shares the model had, or now for the estimated ones.
        prior_cells: The training's statistics counted as so many cells.
        layers: What was moved.
        from_name: Of the bundle that was fitted: name and version.
        from_sha256: Of its manifest.
    """

    source: Annotated[str, Field(min_length=1, max_length=500)]
    source_sha256: Sha256
    synthetic: bool
    frames: Annotated[int, Field(gt=0)]
    cells: Annotated[int, Field(gt=0)]
    white_cells: _Amount
    rejected: _Part
    flagged: _Part
    shares: tuple[_Part, _Part, _Part]
    priors: Literal["kept", "estimated"]
    prior_cells: _Amount
    layers: Annotated[tuple[LayerMove, ...], Field(min_length=1)]
    from_name: str
    from_sha256: Sha256
