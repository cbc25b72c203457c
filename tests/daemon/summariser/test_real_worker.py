"""The real GGUF in its worker: behind all others, within its memory, in time, and gone when it is to be gone."""

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from phenostream.daemon.summariser.author import Author
from phenostream.daemon.summariser.link import Link, WorkerSetup
from phenostream.daemon.summariser.llm.bindings import PACKAGES
from phenostream.engine.errors import EngineFault
from phenostream.engine.summary.plan import says
from phenostream.engine.summary.wording import plan_of
from tests.daemon.summariser.real_models import need, real_model
from tests.engine.summary.populations import population

LONG_S = 250.0
pytestmark = pytest.mark.timeout(300)  # on a busy box


@pytest.fixture(params=list(PACKAGES))
def setup(request: pytest.FixtureRequest) -> WorkerSetup:
    return WorkerSetup(real_model(), binding=need(request.param), idle=False)


def test_a_worker_words_a_summary(setup: WorkerSetup) -> None:
    facts = population(2)
    with Link(setup) as link:
        worded = Author(link).write(facts, "line", "en", "grammar", LONG_S)
        assert (worded.source, worded.refused) == ("llm-grammar", ())
        assert says(plan_of(facts, "line", "en"), worded.text)
        assert worded.llm is not None
        assert worded.llm.binding == setup.binding
        assert "inet" not in {
            one.family.name for one in psutil.Process(link.pid).net_connections("inet")
        }


def test_a_text_that_comes_too_late_is_the_templates(setup: WorkerSetup) -> None:
    with Link(setup) as link:
        link.open(LONG_S)
        worded = Author(link).write(population(2), "lab", "en", "grammar", 0.05)
        assert worded.source == "template"
        assert worded.seconds < 20.0
        assert worded.refused


def test_every_thread_of_the_library_is_behind_all_others(setup: WorkerSetup) -> None:
    """Loading is not waited for: on a busy box such a worker has no core. Threads inherit it from the first."""
    with Link(replace(setup, idle=True)) as link:
        with pytest.raises(EngineFault, match="still being loaded"):
            link.open(0.0)
        pid = link.pid
        assert pid is not None
        threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_IDLE}


@pytest.mark.parametrize("memory_mib", [40, 100])
def test_a_worker_with_too_little_memory_is_one_line(setup: WorkerSetup, memory_mib: int) -> None:
    with Link(replace(setup, memory_bytes=memory_mib << 20)) as link:
        worded = Author(link).write(population(2), "bedside", "en", "grammar", LONG_S)
        assert worded.source == "template"
        (refused,) = worded.refused
        assert "\n" not in refused
        assert link.pid is None


def test_a_base_model_is_refused(tmp_path: Path) -> None:
    """The real file with the name of its chat template changed: a base model in all that the header says."""
    key = b"tokenizer.chat_template"
    path = tmp_path / "base.gguf"
    content = real_model().read_bytes()
    assert key in content
    path.write_bytes(content.replace(key, b"tokenizer.chat_templatE", 1))
    link = Link(WorkerSetup(path, idle=False))
    with link, pytest.raises(EngineFault, match="no chat template"):
        link.open(LONG_S)
