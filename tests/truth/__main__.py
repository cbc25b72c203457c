"""`make llm-truth`: are summaries true, as an independent reader of their facts sees it? Prints the table.

Three questions: does the reader catch lies that are planted; is everything that a summary may say true; is what a real
language model made of it true, and how long did it take. Exit code 1: something untrue was said, or a lie not caught.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import get_args

from phenostream.daemon.summariser.author import Author, Mode
from phenostream.daemon.summariser.link import Link, WorkerSetup
from phenostream.deploy.cli.terminal import progress
from phenostream.deploy.language_models.shelf import model_path
from phenostream.engine.summary.verify import faults
from phenostream.engine.summary.wording import LANGUAGES, STYLES
from tests.truth.model_survey import ModelSurvey, survey_model
from tests.truth.survey import survey_lies, survey_plans
from tests.truth.table import as_json, lie_lines, model_lines, plan_lines

_VARIABLE = "PHENOSTREAM_LLM"


def main() -> int:
    """Ask all three questions."""
    told = _arguments()
    seeds = range(told.seed, told.seed + told.populations)
    plans = {language: survey_plans(seeds, told.walks, language) for language in LANGUAGES}
    lies = {language: survey_lies(seeds, language) for language in LANGUAGES}
    models: list[ModelSurvey] = []
    if not told.json:
        for language in LANGUAGES:
            _say(f"-- {language}", *plan_lines(plans[language]), *lie_lines(lies[language]))
        others = survey_lies(seeds, judge=lambda text, facts: bool(faults(text, facts)))
        _say("-- en, the verifier of free text on the same lies, which it was not made with")
        _say(*lie_lines(others))
    if told.summaries:
        models = list(_models(told, range(told.seed, told.seed + told.summaries)))
    if told.json:
        _say(json.dumps(as_json(plans, lies, models)))
    untrue = sum(one.wrong for one in plans.values()) + sum(len(one.wrong) for one in models)
    return 1 if untrue or any(one.missed for one in lies.values()) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.truth", description=__doc__)
    parser.add_argument(
        "--populations", type=int, default=500, help="for the first two (default 500)"
    )
    parser.add_argument(
        "--walks", type=int, default=6, help="random texts of each and each style (default 6)"
    )
    parser.add_argument(
        "--summaries", type=int, default=500, help="by the model; 0: it is not asked (default 500)"
    )
    parser.add_argument(
        "--styles",
        nargs="+",
        choices=STYLES,
        default=["bedside"],
        help="of those (default bedside)",
    )
    parser.add_argument("--mode", choices=get_args(Mode)[:2], default="grammar")
    parser.add_argument(
        "--llm", help=f"name or path of the model (default: {_VARIABLE}, or smollm2)"
    )
    parser.add_argument(
        "--binding", default="auto", help="what runs it (default: the first that is there)"
    )
    parser.add_argument("--threads", type=int, default=1, help="of the model (default 1)")
    parser.add_argument(
        "--deadline", type=float, default=60.0, metavar="S", help="of a summary (default 60)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first population (default 0)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()  # fmt: skip


def _models(told: argparse.Namespace, seeds: range) -> "list[ModelSurvey]":
    """What the real model makes of them, in every style that was asked for."""
    path = model_path(told.llm or os.environ.get(_VARIABLE) or "smollm2")
    setup = WorkerSetup(Path(path), told.binding, told.threads, idle=False)
    surveys = []
    with Link(setup) as link:
        who = link.open(told.deadline)
        if not told.json:
            _say(f"{who.name} ({who.sha256[:12]}…) by {who.binding}, {told.threads} thread:")
        for style in told.styles:
            with progress(len(seeds), style, "summary") as bar:
                survey = survey_model(
                    Author(link), seeds, style, told.mode, told.deadline, bar.update
                )
            surveys.append(survey)
            if not told.json:
                _say(*model_lines(survey))
    return surveys


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
