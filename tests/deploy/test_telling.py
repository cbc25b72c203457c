"""Facts are worded whatever the language model does; the real one, where it is here, chooses among true wordings."""

from pathlib import Path

from phenostream.daemon.summariser.llm.bindings import installed_bindings
from phenostream.deploy.narrator import Narrator
from phenostream.deploy.telling import Manner, worded
from phenostream.engine.summary.plan import says
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.wording import plan_of
from tests.daemon.summariser.real_models import real_model
from tests.engine.summary.populations import population

FACTS = population(12)
BEDSIDE = Manner("bedside", "en", "grammar")


def test_without_a_language_model_the_template_words_it() -> None:
    told = worded(FACTS, Manner("line", "en", "grammar"), Narrator())
    assert (told.text, told.source, told.refused) == (write_summary(FACTS, "line"), "template", ())


def test_a_file_that_is_no_model_costs_the_words_and_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no model")
    told = worded(FACTS, BEDSIDE, Narrator(broken))
    assert (told.text, told.source) == (write_summary(FACTS), "template")
    assert len(told.refused) == 1
    named = "broken.gguf" if installed_bindings() else "no binding of llama.cpp is installed"
    assert named in told.refused[0]


def test_the_real_model_says_what_the_plan_can_say() -> None:
    told = worded(FACTS, BEDSIDE, Narrator(real_model()))
    assert told.source == "llm-grammar"
    assert told.llm is not None
    assert says(plan_of(FACTS), told.text)
