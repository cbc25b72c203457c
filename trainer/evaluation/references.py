"""Published numbers, shown beside ours and never a pass mark (SPEC c.2, g.4.5)."""

from typing import Final

from phenostream.trainer.evaluation.comparisons import Reference

_WORDING: Final = "published, different split/targets unclear"
_SOURCE: Final = "arXiv 2605.14717"

REFERENCES: Final = (
    Reference(name="accuracy", value=0.913, source=_SOURCE, wording=_WORDING),
    Reference(name="r CD16, linear z (abstract)", value=0.72, source=_SOURCE, wording=_WORDING),
    Reference(name="r CD16, linear z (table)", value=0.726, source=_SOURCE, wording=_WORDING),
)
