"""The table of truth checks, for a person and for a program."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from phenostream.engine.summary.facts import wilson_interval
from tests.truth.model_survey import ModelSurvey
from tests.truth.survey import LieSurvey, PlanSurvey, Wrong


def lie_lines(survey: LieSurvey) -> Iterator[str]:
    """How many planted lies the checker caught, by kind."""
    yield f"planted lies, to be caught; true texts refused before: {share(survey.refused, survey.true)}"
    for kind, planted in sorted(survey.planted.items()):
        yield f"  {kind:<30} {share(survey.caught[kind], planted)}"
    yield f"  {'all':<30} {share(survey.caught.total(), survey.planted.total())}"
    for kind, text, lie in survey.missed:
        yield f"  MISSED ({kind}):\n    true: {text}\n    lie:  {lie}"


def plan_lines(survey: PlanSurvey) -> Iterator[str]:
    """What was found in the texts that may be said."""
    yield (
        f"texts that may be said of {survey.populations:,} populations, every alternative and random choices: "
        f"{survey.texts:,}, untrue {survey.wrong:,}"
    )
    yield from map(wrong_line, survey.shown)


def model_lines(survey: ModelSurvey) -> Iterator[str]:
    """What a language model wrote."""
    sources = ", ".join(f"{count:,} {source}" for source, count in survey.sources.most_common())
    seconds = f"p50 {survey.seconds_at(50):.2f}, p95 {survey.seconds_at(95):.2f}, longest {survey.seconds_at(100):.2f}"
    yield f"{survey.style}, {survey.mode} mode: {survey.summaries:,} populations ({sources})"
    yield f"  untrue: {share(len(survey.wrong), survey.summaries)}; {len(survey.texts):,} different texts"
    yield f"  seconds a summary by the model: {seconds}"
    for reason, count in survey.refused.most_common(5):
        yield f"  thrown away {count:,} times: {reason[:160]}"
    yield from map(wrong_line, survey.wrong[:20])


def wrong_line(wrong: Wrong) -> str:
    """One text with what is wrong with it."""
    found = "; ".join(f"{one.kind}: {one.words}" for one in wrong.found)
    return f"  UNTRUE (population {wrong.seed}, {wrong.style}): {found}\n    {wrong.text}"


def share(count: int, total: int) -> str:
    """A count of a total with its share and the share's 95 % interval."""
    low, high = wilson_interval(count, total)
    part = 100 * count / total if total else 0.0
    return f"{count:,} of {total:,} = {part:.2f} % (95 % interval {100 * low:.2f} to {100 * high:.2f} %)"


def as_json(
    plans: Mapping[str, PlanSurvey], lies: Mapping[str, LieSurvey], models: Sequence[ModelSurvey]
) -> dict[str, Any]:
    """All of it as plain values, the first two by language."""
    return {
        "plans": {
            language: {"populations": one.populations, "texts": one.texts, "untrue": one.wrong}
            for language, one in plans.items()
        },
        "lies": {
            language: {
                kind: {"planted": planted, "caught": one.caught[kind]}
                for kind, planted in sorted(one.planted.items())
            }
            for language, one in lies.items()
        },
        "model": [
            {
                "style": one.style,
                "mode": one.mode,
                "summaries": one.summaries,
                "sources": dict(one.sources),
                "different_texts": len(one.texts),
                "untrue": len(one.wrong),
                "seconds_p50": one.seconds_at(50) if one.seconds else None,
                "seconds_p95": one.seconds_at(95) if one.seconds else None,
                "refused": dict(one.refused),
            }
            for one in models
        ],
    }
