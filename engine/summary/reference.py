"""A saved population that others are compared with: its tally, what its numbers mean, and the model that saw it.

One JSON document, so that it can be kept, shown and carried; only its text is known here, not where it lies. Counts are
whole, and histograms lose nothing: a comparison with a file is the comparison with the cells.
"""

import json
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phenostream.engine.errors import BadInput
from phenostream.engine.postprocess import CLASSIFIED, REJECTED, STATUSES
from phenostream.engine.summary.comparing import Baseline
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.histogram import BINS, Histogram
from phenostream.engine.summary.quantities import (
    MOST_CLASSES,
    MOST_MARKERS,
    NotNegative,
    Real,
    first_fault,
)
from phenostream.engine.summary.spread import REJECTED_ROW
from phenostream.engine.summary.window import Tally, WindowStatistics
from phenostream.engine.types import FrameFlags

FORMAT: Final = "phenostream-reference"
VERSION: Final = 2
"""Since 2 a document tells how much its frames differ."""
LONGEST_TEXT: Final = 4 << 20
"""Characters of a document; sixteen classes with every step of four histograms filled have half of it."""
LONGEST_NAME: Final = 64

_Cells = Annotated[int, Field(strict=True, ge=0, le=1 << 53)]
_Row = tuple[NotNegative, NotNegative, NotNegative]
_Markers = Annotated[tuple[tuple[NotNegative, Real], ...], Field(max_length=MOST_MARKERS)]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A population to compare with.

    Attributes:
        name: What it is called, 1 to 64 characters; untrusted.
        model_sha256: Of the bundle whose numbers it holds.
        statistics: Its cells.
    """

    name: str
    model_sha256: str
    statistics: WindowStatistics

    def baseline(self) -> Baseline:
        """What `with_comparisons` takes."""
        return Baseline("reference", self.statistics, self.name, self.model_sha256)

    def as_text(self) -> str:
        """The document; `reference_of` reads it."""
        tally = self.statistics.tally
        plain = {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "model_sha256": self.model_sha256,
            "context": self.statistics.context.as_dict(),
            "frames": tally.frames,
            "status": dict(zip(STATUSES, tally.status.tolist(), strict=True)),
            "flagged": dict(zip(_FLAGGED, tally.flagged.tolist(), strict=True)),
            "unusual": tally.unusual,
            "spread": {
                "shares": tally.spread.shares.tolist(),
                "markers": tally.spread.markers.tolist(),
            },
            "classes": [
                {
                    "count": int(tally.count[k]),
                    "confidence": float(tally.confidence[k]),
                    "z": [_told(histogram) for histogram in tally.z[k]],
                }
                for k in range(len(tally.count))
            ],
        }
        return json.dumps(plain) + "\n"


def reference_of(text: str) -> Reference:
    """The reference that a document tells.

    Raises:
        BadInput: It is no such document, is of another version, or its counts contradict each other.
    """
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"reference: {len(text)} characters, allowed up to {LONGEST_TEXT}")
    try:
        document = _Document.model_validate(json.loads(text))
    except ValidationError as err:
        raise BadInput(f"reference: {first_fault(err)}") from err
    except (ValueError, RecursionError) as err:
        raise BadInput(f"reference: not valid JSON: {str(err).splitlines()[0][:80]}") from err
    try:
        statistics = WindowStatistics(SummaryContext.from_dict(document.context))
    except BadInput as err:
        raise BadInput(f"reference: context: {err}") from err
    _fill(statistics, document)
    return Reference(document.name, document.model_sha256, statistics)


_FLAGGED: Final = ("frames", *(field.name for field in fields(FrameFlags)))


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class _Histogram(_Closed):
    """Counts of the steps from `first` on; nothing lies outside."""

    first: Annotated[int, Field(strict=True, ge=0, lt=BINS)]
    counts: Annotated[tuple[_Cells, ...], Field(max_length=BINS)]


class _Class(_Closed):
    count: _Cells
    confidence: NotNegative
    z: Annotated[tuple[_Histogram, ...], Field(max_length=MOST_CLASSES)]


class _Spread(_Closed):
    """See `Spread`."""

    shares: Annotated[tuple[_Row, ...], Field(max_length=MOST_CLASSES + 2)]
    markers: Annotated[tuple[_Markers, ...], Field(max_length=MOST_CLASSES)]


class _Document(_Closed):
    format: Literal["phenostream-reference"]
    version: Literal[2]
    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    model_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    context: dict[str, Any]
    frames: _Cells
    status: dict[str, _Cells]
    flagged: dict[str, _Cells]
    unusual: _Cells
    spread: _Spread
    classes: Annotated[tuple[_Class, ...], Field(max_length=MOST_CLASSES)]


def _told(histogram: Histogram) -> dict[str, Any]:
    filled = np.flatnonzero(histogram)
    first, end = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
    return {"first": first, "counts": histogram[first:end].tolist()}


def _fill(statistics: WindowStatistics, document: _Document) -> None:
    """Raises `BadInput` where the counts contradict each other."""
    tally, context = statistics.tally, statistics.context
    for what, told, names in (
        ("status", document.status, STATUSES),
        ("flagged", document.flagged, _FLAGGED),
    ):
        if set(told) != set(names):
            raise BadInput(f"reference: {what}: allowed {', '.join(names)}, each once")
    if len(document.classes) != len(context.classes):
        raise BadInput(f"reference: classes: {len(document.classes)} of {len(context.classes)}")
    tally.frames, tally.unusual = document.frames, document.unusual
    tally.status[:] = [document.status[name] for name in STATUSES]
    tally.flagged[:] = [document.flagged[name] for name in _FLAGGED]
    for k, (name, one) in enumerate(zip(context.classes, document.classes, strict=True)):
        _fill_class(tally, k, one, f"reference: class {name[:40]!r}")
    _check(tally, int(tally.status[CLASSIFIED]))
    _fill_spread(tally, document.spread)


def _fill_class(tally: Tally, k: int, one: _Class, named: str) -> None:
    if len(one.z) != tally.z.shape[1]:
        raise BadInput(f"{named}: {len(one.z)} histograms of {tally.z.shape[1]} markers")
    if one.confidence > one.count * 1.000001:
        raise BadInput(f"{named}: confidence {one.confidence:g} of {one.count} cells")
    tally.count[k], tally.confidence[k] = one.count, one.confidence
    for m, histogram in enumerate(one.z):
        if histogram.first + len(histogram.counts) > BINS:
            raise BadInput(f"{named}: a histogram of more than {BINS} steps")
        if sum(histogram.counts) != one.count:
            raise BadInput(f"{named}: {sum(histogram.counts)} marker values of {one.count} cells")
        tally.z[k, m, histogram.first : histogram.first + len(histogram.counts)] = histogram.counts


def _check(tally: Tally, classified: int) -> None:
    counted = sum(int(count) for count in tally.count)
    if counted != classified:
        raise BadInput(f"reference: classified {classified}, its classes sum to {counted}")
    if tally.unusual > classified:
        raise BadInput(f"reference: unusual {tally.unusual} of {classified} classified cells")
    if int(tally.flagged.max()) > tally.frames:
        raise BadInput(f"reference: flagged {int(tally.flagged.max())} of {tally.frames} frames")


def _fill_spread(tally: Tally, told: _Spread) -> None:
    for what, values, array in (
        ("shares", told.shares, tally.spread.shares),
        ("markers", told.markers, tally.spread.markers),
    ):
        if len(values) != len(array) or any(len(one) != array.shape[1] for one in values):
            raise BadInput(
                f"reference: spread.{what}: allowed {array.shape[0]} of {array.shape[1]}"
            )
        array[...] = np.array(values, np.float64).reshape(array.shape)
    classified, rejected = int(tally.status[CLASSIFIED]), int(tally.status[REJECTED])
    wholes = [classified] * len(tally.spread.shares)
    wholes[REJECTED_ROW] += rejected
    parts = [*tally.count.tolist(), rejected, tally.unusual]
    if not tally.spread.agrees(tally.frames, parts, wholes, tally.z):
        raise BadInput(f"reference: spread: sums of squares that {tally.frames} frames cannot have")
