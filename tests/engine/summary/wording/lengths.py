"""How long summaries are, and in how many ways they may be told: `python -m tests.engine.summary.wording.lengths`.

Of random populations with lymphocytes, granulocytes and monocytes, in windows of which no frame is missing.
"""

from statistics import median
from typing import Final

from phenostream.engine.summary.plan import choices, first
from phenostream.engine.summary.wording import LANGUAGES, STYLES, plan_of
from phenostream.engine.summary.wording.styles import words_of
from phenostream.engine.types import CLASSES
from tests.engine.summary.populations import population

_SEEDS: Final = range(400)
_HEAD: Final = (
    "language style    template: median most   longest text: median most over 60   ways: median"
)


def main() -> None:
    """Print a table."""
    seen = [
        facts
        for facts in map(population, _SEEDS)
        if tuple(one.name for one in facts.classes) == CLASSES
        and facts.account is None
        and facts.classified
    ]
    print(f"{len(seen)} populations; words without the caveat, 64.9 % is one word")  # noqa: T201
    print(_HEAD)  # noqa: T201
    for language in LANGUAGES:
        for style in STYLES:
            plans = [plan_of(facts, style, language) for facts in seen]
            said = [len(first(plan[:-1]).replace(" %", "%").split()) for plan in plans]
            most = [words_of(plan[:-1]) - 1 for plan in plans]
            over = sum(words > 60 for words in most)
            print(  # noqa: T201
                f"{language:8} {style:8} {median(said):16.0f} {max(said):4} {median(most):22.0f} {max(most):4} {over:7}"
                f" {median(map(choices, plans)):14,.0f}"
            )


if __name__ == "__main__":
    main()
