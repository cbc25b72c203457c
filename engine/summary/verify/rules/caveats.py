"""What is synthetic, what the model cannot tell, and that it is no diagnosis."""

from typing import Final

from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading
from phenostream.engine.summary.verify.rules.rule import rules

_CANNOT: Final = "[(this|the)] model (does not tell|cannot tell|leaves open)"


def _synthetic(r: Reading, phrase: Phrase) -> None:
    r.seen.add("synthetic")
    r.true(r.facts.synthetic, "synthetic", phrase, "nothing synthetic")


def _model_synthetic(r: Reading, phrase: Phrase) -> None:
    r.seen.add("synthetic")
    r.true(r.facts.model_synthetic, "synthetic", phrase, "a model trained on real cells")


def _source_synthetic(r: Reading, phrase: Phrase) -> None:
    r.seen.add("synthetic")
    r.true(r.facts.source_synthetic, "synthetic", phrase, "cells of a microscope")


def _caveat(r: Reading, phrase: Phrase) -> None:
    r.seen.add("caveat")


def _cannot_reject(r: Reading, phrase: Phrase) -> None:
    r.true(not r.facts.rejects, "word", phrase, "a model that tells other objects")


def _cannot_score(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.unusual is None, "word", phrase, "a model that tells unusual cells")


def _cannot_both(r: Reading, phrase: Phrase) -> None:
    _cannot_reject(r, phrase)
    _cannot_score(r, phrase)


CAVEATS: Final = (
    *rules(
        _synthetic,
        "synthetic [:] from simulated cells or a model trained on them",
        "synthetic ?= (.|:|;|,)",
    ),
    *rules(_model_synthetic, "[(with|by|from)] [(a|the)] model [was] trained on simulated cells"),
    *rules(
        _source_synthetic,
        "[the] cells (are|were) (simulated|synthetic)",
        "(from|of) simulated cells",
    ),
    *rules(
        _caveat,
        "[for] research use only [(, not a diagnosis|; not a diagnosis|and not a diagnosis)]",
    ),
    *rules(
        _cannot_reject,
        f"{_CANNOT} whether a cell is a white cell [at all]",
    ),
    *rules(
        _cannot_score,
        f"{_CANNOT} whether it is like the training cells",
    ),
    *rules(
        _cannot_both,
        f"{_CANNOT} whether a cell is a white cell [at all] or "
        "whether it is like the training cells",
    ),
)
