"""Many populations through a real language model: what it wrote, how long it took, and whether any of it is untrue."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from phenostream.daemon.summariser.author import Mode, Worded
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.wording import Style
from tests.engine.summary.populations import population
from tests.truth.checker import falsehoods
from tests.truth.survey import Wrong


class Writer(Protocol):
    """What words facts: the summariser's author."""

    def write(
        self, facts: Facts, style: Style, language: str, mode: Mode, deadline_s: float
    ) -> Worded:
        """See `Author.write`."""
        ...


@dataclass(slots=True)
class ModelSurvey:
    """What came of all of them.

    Attributes:
        seconds: Each summary that the model wrote took.
        sources: How many summaries are whose words.
        texts: Different ones, numbers and names and all.
        wrong: With something that is not so.
        refused: What was thrown away, by its reason.
    """

    style: Style
    mode: Mode
    seconds: list[float] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    texts: set[str] = field(default_factory=set)
    wrong: list[Wrong] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def summaries(self) -> int:
        """All of them."""
        return self.sources.total()

    def seconds_at(self, percentile: int) -> float:
        """A percentile of the time that a summary by the model took; NaN where it wrote none."""
        return float(np.percentile(self.seconds, percentile)) if self.seconds else float("nan")


def survey_model(
    writer: Writer,
    seeds: Sequence[int],
    style: Style,
    mode: Mode,
    deadline_s: float,
    on_step: Callable[[], object] = lambda: None,
) -> ModelSurvey:
    """Have these populations worded, and judge every text as it would be published.

    Args:
        writer: Who words them.
        seeds: Of the populations.
        style: Of all of them, in English.
        mode: ``grammar`` or ``free``.
        deadline_s: Of each.
        on_step: Called after each.
    """
    survey = ModelSurvey(style, mode)
    for seed in seeds:
        facts = population(seed)
        worded = writer.write(facts, style, "en", mode, deadline_s)
        survey.sources[worded.source] += 1
        survey.texts.add(worded.text)
        if worded.source != "template":
            survey.seconds.append(worded.seconds)
        for reason in worded.refused:
            survey.refused[str(reason)] += 1
        if found := tuple(falsehoods(worded.text, facts)):
            survey.wrong.append(Wrong(seed, style, worded.text, found))
        on_step()
    return survey
