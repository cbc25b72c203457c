"""A window's facts as plain sentences: the reporter that is always there.

It says what a plan says where nobody chooses (see `wording`): every number comes from the facts, and every text ends
with what is synthetic, and that it is not a diagnosis.
"""

from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import first
from phenostream.engine.summary.wording import Style, plan_of


def write_summary(facts: Facts, style: Style = "bedside", language: str = "en") -> str:
    """Describe one window.

    Returns:
        Plain text on one line.

    Raises:
        BadConfig: No such style or language.
    """
    return first(plan_of(facts, style, language))
