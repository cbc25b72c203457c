"""How summaries are told, as a site configured it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from phenostream.daemon.reference_file import read_reference
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.engine.summary.drifted import DriftFacts
from phenostream.engine.summary.quantities import Scope
from phenostream.engine.summary.reference import Reference
from phenostream.engine.summary.wording import Style

logger = logging.getLogger(__name__)

DriftOf = Callable[[str, Scope], tuple[DriftFacts, ...]]
"""What the watch for drift found of a run."""


def _unwatched(_run: str, _scope: Scope) -> tuple[DriftFacts, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Telling:
    """How summaries are told.

    Attributes:
        style: Of the template's text.
        language: Likewise.
        reference: What each is compared with, besides the window before; None: nothing.
        drift: Asked for each.
    """

    style: Style = "bedside"
    language: str = "en"
    reference: Reference | None = None
    drift: DriftOf = _unwatched


def telling_of(config: SummaryConfig, model_sha256: str, drift: DriftOf = _unwatched) -> Telling:
    """As configured; a reference of another model than this is no error: every summary says why it is not compared.

    Raises:
        BadInput: The reference's file is refused.
    """
    reference = None if config.reference is None else read_reference(config.reference)
    if reference is not None and reference.model_sha256 != model_sha256:
        logger.warning(
            "summary.reference %s: of another model (%s, %s) than serves: nothing is compared with it",
            config.reference,
            reference.statistics.context.model,
            reference.model_sha256[:12],
        )
    return Telling(config.style, config.language, reference, drift)
