"""The same document in a page of Markdown: the verdict, and each figure beside what it must be read against."""

from collections.abc import Iterable, Iterator, Sequence

from phenostream.trainer.evaluation.report.environment import beyond_class
from phenostream.trainer.evaluation.report.page import Document
from phenostream.trainer.evaluation.report.wording import (
    count,
    number,
    percent,
    short,
    signed,
    with_interval,
)
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.reproduction import Reproduction

_SPECIAL = str.maketrans({mark: "\\" + mark for mark in r"\`*_[]|#<>"})


def summary(document: Document) -> str:
    """Markdown, ending in a newline; names in it cannot open a tag, a link or a table cell."""
    lines = _reproduction(document) if isinstance(document, Reproduction) else _one(document)
    return "\n".join(lines) + "\n"


def _reproduction(document: Reproduction) -> Iterator[str]:
    refusals = document.refusals
    kind = " (synthetic)" if document.synthetic else ""
    yield f"# Reproduction, protocol {_plain(document.protocol)}{kind}"
    yield ""
    if document.quick:
        yield "Quick run: the figures say that every step runs, not what the model can do."
        yield ""
    for refusal in refusals:
        yield f"**No headline.** {_plain(refusal)}"
        yield ""
    for name, good in document.checks.items():
        yield f"- check {'passed' if good else 'FAILED'}: {_plain(name)}"
    yield ""
    if not refusals:
        yield from (f"- {_plain(one.text)}" for one in document.verdicts)
        yield ""
        rows = [
            (_plain(one.name), number(one.mean), number(one.sd), *map(number, one.values))
            for one in document.spread
        ]
        yield from _table(["figure", "mean", "sd", *(f"seed {s}" for s in document.seeds)], rows)
    if document.gaps and not refusals:
        rows = [
            (_plain(one.name), _plain(one.figure), signed(one.value), number(one.sd))
            for one in document.gaps
        ]
        yield from _table(["gap", "figure", "difference", "sd"], rows)
    yield from (f"{_plain(note)}\n" for note in document.notes)
    for seed, one in zip(document.seeds, document.evaluations, strict=True):
        yield f"## Seed {seed}{kind}"
        yield ""
        yield from _figures(one)


def _one(evaluation: Evaluation) -> Iterator[str]:
    kind = " (synthetic)" if evaluation.synthetic else ""
    yield f"# {_plain(evaluation.subject.name)} on {_plain(evaluation.data.facts.name)}{kind}"
    yield ""
    if evaluation.headline.refusal is not None:
        yield f"**No headline.** {_plain(evaluation.headline.refusal)}"
    yield from (f"- {_plain(line)}" for line in evaluation.headline.lines)
    yield ""
    yield from _figures(evaluation)


def _figures(evaluation: Evaluation) -> Iterator[str]:
    """The tables; each says what it holds."""
    if evaluation.headline.refusal is not None:
        yield "Too few cells for a headline: read the figures as a check that the pipeline runs."
        yield ""
    yield from _classes(evaluation)
    if evaluation.markers:
        head = ["marker, r (log)", "this model", "class means alone", "called class means"]
        inside = [one.name for one in evaluation.markers[0].log.within]
        rows = [
            (
                _plain(marker.name),
                *map(_text, (marker.log.r, marker.log.class_mean_r)),
                _text(marker.log.predicted_class_mean_r),
                *(_text(one.r) for one in marker.log.within),
            )
            for marker in evaluation.markers
        ]
        yield from _table([*head, *(f"within {name}" for name in inside)], rows)
        for marker in evaluation.markers:
            yield f"- {_plain(marker.name)}: {beyond_class(marker)}"
        yield ""
    yield from _trust(evaluation)
    for one in evaluation.controls:
        outcome = {True: "as expected", False: "NOT as expected", None: "cannot be told"}
        yield f"- control {_plain(one.name)}: {outcome[one.as_expected]}. {_plain(one.verdict)}"
    if evaluation.controls:
        yield ""
    yield from (
        f"Published: {_plain(one.name)} {short(one.value)} ({_plain(one.source)}; {_plain(one.wording)}).\n"
        for one in evaluation.references
    )


def _classes(evaluation: Evaluation) -> Iterator[str]:
    found = evaluation.classification
    if found is None:
        return
    rows = [("this model", *map(_text, (found.accuracy, found.balanced_accuracy, found.macro_f1)))]
    rows += [
        (_plain(one.name), *map(_text, (one.accuracy, one.balanced_accuracy, one.macro_f1)))
        for one in evaluation.baselines
        if one.accuracy is not None
    ]
    head = f"classes, {count(found.n)} white cells"
    yield from _table([head, "accuracy", "balanced accuracy", "macro F1"], rows)


def _trust(evaluation: Evaluation) -> Iterator[str]:
    """Calibration, coverage and outliers."""
    found = evaluation.calibration
    if found is not None:
        yield f"ECE {_text(found.before.ece)} before calibration, {_text(found.after.ece)} after."
        yield ""
    rows = [
        (_plain(m.name), percent(i.nominal, 0), _text(i.coverage), *(_text(c.coverage) for c in i.by_class))
        for m in evaluation.markers
        if (i := m.intervals) is not None
    ]  # fmt: skip
    if rows:
        classes = [
            one.name for m in evaluation.markers if m.intervals for one in m.intervals.by_class
        ]
        yield from _table(["coverage", "promised", "all", *dict.fromkeys(classes)], rows)  # fmt: skip
    kinds = evaluation.outliers.kinds if evaluation.outliers else ()
    rows = [
        (_plain(k.name), count(k.n), _text(k.ood.auroc if k.ood else None), _text(k.reject.auroc if k.reject else None))
        for k in kinds
    ]  # fmt: skip
    if rows:
        head = ["outliers", "crops", "AUROC, distance", "AUROC, reject head"]
        yield from _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|---:" * (len(head) - 1) + "|"
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def _text(figure: Figure | None) -> str:
    return with_interval(figure)


def _plain(text: str) -> str:
    """One line without marks of Markdown or HTML."""
    return " ".join(text.split()).translate(_SPECIAL)
