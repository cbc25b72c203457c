"""The status page shows what the daemon says, and lets nobody write into it."""

import copy
from html.parser import HTMLParser

from phenostream.daemon.monitor.inquiry import Answer
from phenostream.daemon.monitor.page import page
from tests.daemon.monitor.told import RUN, STATUS


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def _read(answer: Answer) -> _Tags:
    read = _Tags()
    read.feed(page(answer).decode())
    return read


def test_it_shows_state_faults_model_and_every_run() -> None:
    text = _read(Answer(STATUS, "", 0.01)).text
    for shown in (
        "degraded",
        "openvino: down",
        "demo 3",
        RUN,
        "smollm2",
        "these results say nothing about blood",
    ):
        assert shown in text


def test_what_strangers_named_stays_text() -> None:
    hostile = copy.deepcopy(STATUS)
    nasty = "<script>alert(1)</script><b onload=x>&quot;"
    hostile["faults"] = {nasty: nasty}
    hostile["state"] = nasty
    hostile["model"]["name"] = nasty
    hostile["ledger"]["runs"] = {nasty: {"received": nasty}}
    hostile["queues"] = {nasty: nasty}
    hostile["inference"]["backends"][0]["reason"] = nasty
    read = _read(Answer(hostile, "", 0.01))
    assert not {"script", "b"} & read.tags
    assert nasty in read.text


def test_a_daemon_of_another_version_gets_a_page_too() -> None:
    odd: list[dict[str, object]] = [
        {},
        {"state": 1, "faults": None, "ledger": [], "model": "x", "inference": 3},
    ]
    for told in odd:
        assert "frames are not served" in _read(Answer(told, "", 0.01)).text
