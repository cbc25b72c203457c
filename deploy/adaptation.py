"""A bundle fitted to a site: from a recording to a new bundle, and what that changed where labels are known.

Composes bundle, recording, the daemon's cutting of cells and the trainer's fit; prints nothing.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from phenostream.daemon.channel_map import NO_MAPS, ChannelMaps
from phenostream.deploy.bench.truth import read_truth
from phenostream.deploy.labelled_cells import named_cells, with_truth
from phenostream.deploy.site_cells import SiteCells, read_site_cells
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.errors import BadInput
from phenostream.trainer.adaptation.adapted import Origin, Site, adapt_checkpoint
from phenostream.trainer.adaptation.before_after import BeforeAfter, compare_answers
from phenostream.trainer.adaptation.settings import AdaptationSettings
from phenostream.trainer.checkpoint import Checkpoint
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.subject import graph_subject
from phenostream.trainer.export import refuse_foreign_folder, write_bundle
from phenostream.trainer.unfold import unfold

_CHUNK: Final = 1 << 20
_INSTRUMENTS_NAMED: Final = 3
_LONGEST_SOURCE: Final = 500


@dataclass(frozen=True, slots=True)
class AdaptationRequest:
    """What to do.

    Attributes:
        bundle: Folder of the bundle to fit.
        recording: Of the site's cells.
        out: Folder to write.
        cache: For simulated cells.
        settings: How, and beyond what it is refused.
        maps: Channel maps of the site's configuration.
        truth: What is known of the cells of `test`, or of `recording` where that is None.
        test: Another recording of the site, of other cells.
        labelled: Sets of labelled cells to compare on too, as `labelled_cells.named_cells` takes them.
    """

    bundle: Path
    recording: Path
    out: Path
    cache: Path
    settings: AdaptationSettings = field(default_factory=AdaptationSettings)
    maps: ChannelMaps = field(default_factory=lambda: NO_MAPS)
    truth: Path | None = None
    test: Path | None = None
    labelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AdaptationResult:
    """What was done.

    Attributes:
        bundle: The new one, as it was read again.
        found: All cells of the recording.
        comparisons: One for each labelled set.
    """

    bundle: Bundle
    found: SiteCells
    comparisons: tuple[BeforeAfter, ...]


def adapt(
    request: AdaptationRequest, on_position: Callable[[int], object] = lambda _position: None
) -> AdaptationResult:
    """Fit, write, and compare.

    Args:
        request: What.
        on_position: Called with the byte of the recording that was reached, frame by frame.

    Raises:
        BadInput: The bundle cannot be fitted, or the recording's cells are too few or too odd; nothing is written.
        EngineFault: The new graph does not give its own golden outputs.
    """
    if request.out.resolve() == request.bundle.resolve():
        raise BadInput(f"{request.out}: is the bundle to fit, expected another folder to write")
    refuse_foreign_folder(request.out)
    source = load_bundle(request.bundle)
    _refuse_adapted(source)
    before = unfold(source)
    found = read_site_cells(request.recording, source.manifest, request.maps, on_position)
    sets = _labelled_sets(request, source, found)
    origin = Origin(f"{source.manifest.name} {source.manifest.version}", source.sha256)
    site = Site(
        _in_words(request.recording, found),
        _sha256(request.recording),
        found.synthetic,
        len(found.frames),
    )
    after = adapt_checkpoint(before, origin, found.crops, site, request.settings)
    comparisons = tuple(_compared(before, after, *one) for one in sets)
    write_bundle(after, request.out)
    return AdaptationResult(load_bundle(request.out), found, comparisons)


@dataclass(frozen=True, slots=True)
class _Labels:
    """What is known of labelled cells, in words."""

    data: str
    synthetic: bool
    fitted_on: bool


def _refuse_adapted(source: Bundle) -> None:
    """A fit of a fit would be measured against the wrong training."""
    adapted = source.manifest.adapted
    if adapted is not None:
        raise BadInput(
            f"{source.path}: is fitted to {adapted.source} already; give the bundle it was made from, "
            f"{adapted.from_name} ({adapted.from_sha256[:12]})"
        )


def _labelled_sets(
    request: AdaptationRequest, source: Bundle, found: SiteCells
) -> list[tuple[CellSet, _Labels]]:
    """Read before anything is computed, so that a bad file is told at once."""
    sets = []
    if request.truth is not None:
        truth, cells, path = read_truth(request.truth), found, request.recording
        if request.test is not None:
            path = request.test
            cells = read_site_cells(path, source.manifest, request.maps)
        words = f"{path.name}, as {request.truth.name} knows them"
        sets.append(
            (with_truth(cells, truth), _Labels(words, truth.synthetic, request.test is None))
        )
    for name in request.labelled:
        cells_of, words, synthetic = named_cells(name, request.cache)
        sets.append((cells_of, _Labels(words, synthetic, fitted_on=False)))
    return sets


def _compared(
    before: Checkpoint, after: Checkpoint, cells: CellSet, labels: _Labels
) -> BeforeAfter:
    answers = [
        (
            graph_subject(one.graph, one.card, one.card.data_sha256).outputs(cells),
            one.card.calibration,
        )
        for one in (before, after)
    ]
    return BeforeAfter(
        data=labels.data,
        synthetic=labels.synthetic,
        fitted_on=labels.fitted_on,
        white=int(cells.white.sum()),
        others=int(cells.foreign.sum()),
        changes=compare_answers(cells, answers[0], answers[1]),
    )


def _in_words(recording: Path, found: SiteCells) -> str:
    names = ", ".join(found.instruments[:_INSTRUMENTS_NAMED])
    more = ", ..." if len(found.instruments) > _INSTRUMENTS_NAMED else ""
    name = "".join(letter if letter.isprintable() else "?" for letter in recording.name)
    return f"{name} of {names}{more}"[:_LONGEST_SOURCE]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()
