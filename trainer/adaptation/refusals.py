"""Which cells a model is not fitted to, each in one line: too few, or too odd for the fit to mean anything."""

from phenostream.engine.adaptation_facts import Adapted
from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES
from phenostream.trainer.adaptation.settings import AdaptationSettings
from phenostream.trainer.adaptation.site_fit import SiteFit


def refuse_few(cells: int, source: str, settings: AdaptationSettings) -> None:
    """Worth asking before anything is computed.

    Raises:
        BadInput: There are too few.
    """
    if cells < settings.least_cells:
        raise BadInput(
            f"{source}: {cells} cells inside the frames, allowed {settings.least_cells} or more"
        )


def refuse_odd_fit(fit: SiteFit, source: str, settings: AdaptationSettings) -> None:
    """What speaks against the cells before the fitted model is asked what it makes of them.

    Raises:
        BadInput: Too few are white, a class is missing, or a layer moved too far or did not settle.
    """
    if fit.white_cells < settings.least_cells:
        raise BadInput(
            f"{source}: {fit.white_cells:.0f} white cells, as the model counts them, allowed "
            f"{settings.least_cells} or more"
        )
    if not fit.settled:
        raise BadInput(
            f"{source}: the fit to these cells does not settle ({fit.sweeps} sweeps): they are too unlike the "
            "training cells"
        )
    for name, cells in zip(CLASSES, fit.class_cells, strict=True):
        if cells < settings.least_share * fit.white_cells:
            raise BadInput(
                f"{source}: {cells / fit.white_cells:.1%} of the white cells look like a {name}, allowed "
                f"{settings.least_share:.1%} or more: without a class, what moved it cannot be told"
            )
    for layer in fit.layers:
        for what, value, most in (
            ("means", layer.mean, settings.most_shift),
            ("logarithms of sd", layer.log_sd, settings.most_log_sd),
        ):
            if not value <= most:
                raise BadInput(
                    f"{source}: {layer.layer}: its {what} moved by {value:.2f} on average, allowed {most:g}: too far "
                    "from the training cells to be mended so"
                )


def refuse_odd_answers(adapted: Adapted, settings: AdaptationSettings) -> None:
    """What the fitted model makes of the cells.

    Raises:
        BadInput: It rejects, or flags, more than is allowed.
    """
    for what, share, most in (
        ("the cells are rejected", adapted.rejected, settings.most_rejected),
        ("the cells kept are unlike the training's", adapted.flagged, settings.most_flagged),
    ):
        if share > most:
            raise BadInput(
                f"{adapted.source}: {share:.1%} of {what} even after the fit, allowed {most:.1%}"
            )
