"""`watch`: which records are shown, when it ends, and what is said while nothing comes."""

from collections.abc import Iterator
from typing import cast

import pytest

from phenostream.daemon.client.records import Record
from phenostream.daemon.client.subscriber import Subscriber
from phenostream.deploy.cli import watch
from phenostream.deploy.cli.main import main
from phenostream.deploy.cli.record_lines import record_line
from phenostream.deploy.cli.watch import Until, followed


class Told:
    """A subscriber of a script: each step is seconds that pass, seconds of silence then, and what comes."""

    def __init__(self, *steps: tuple[float, float, Record | None]) -> None:
        self._steps = steps
        self.now_s, self.silent_s = 100.0, 0.0

    def events(self) -> Iterator[Record | None]:
        for passed_s, silent_s, record in self._steps:
            self.now_s, self.silent_s = self.now_s + passed_s, silent_s
            yield record


def follow(told: Told, *, until_end: bool) -> list[Record]:
    until = Until() if until_end else None
    return list(followed(cast(Subscriber, told), until, lambda: told.now_s))


def status(event: str, run: str) -> Record:
    return Record("status", 0, {"event": event, "run": run, "instrument": "scope-1"})


def test_silence_and_its_end_are_each_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    follow(Told((1, 1, None), (5, 6, None), (1, 7, None), (1, 0, None)), until_end=False)
    silent, back = capsys.readouterr().err.splitlines()
    assert "no word from the daemon for 5 s" in silent
    assert "back" in back


def test_runs_that_stay_open_are_named_after_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    started, other = status("run_started", "a-12345678"), status("run_started", "b-87654321")
    ended = status("run_ended", "a-12345678")
    told = Told((0, 0, started), (0, 0, other), (0, 0, ended), (9, 0, None), (2, 0, None))
    assert follow(told, until_end=True) == [started, other, ended]
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("waiting for 1 open runs: 87654321")


def test_watching_until_the_end_stops_there() -> None:
    started, ended = status("run_started", "a"), status("run_ended", "a")
    told = Told((0, 0, started), (0, 0, ended), (0, 0, None), (0, 0, started))
    assert follow(told, until_end=True) == [started, ended]


@pytest.mark.parametrize(("words_s", "seen"), [(0.0, 3), (5.0, 4), (20.0, 5)])
def test_the_words_of_a_run_are_waited_for_as_long_as_was_said(words_s: float, seen: int) -> None:
    started, ended = status("run_started", "a"), status("run_ended", "a")
    template = Record("summary", 7, {"run": "a", "scope": "run", "of_offset": None})
    window = Record("summary", 8, {"run": "a", "scope": "window", "of_offset": None})
    words = Record("summary", 9, {"run": "a", "scope": "run", "of_offset": 7})
    told = Told(
        (0, 0, started), (0, 0, template), (0, 0, ended), (0, 0, None), (4, 0, None),
        (0, 0, window), (2, 0, None), (0, 0, words), (0, 0, None), (99, 0, started),
    )  # fmt: skip
    until = Until(words_s)
    assert len(list(followed(cast(Subscriber, told), until, lambda: told.now_s))) == seen


def test_one_run_of_several_is_shown_by_the_end_of_its_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = status("run_started", "b-87654321")
    started, ended = status("run_started", "a-12345678"), status("run_ended", "a-12345678")
    told = Told((0, 0, other), (0, 0, started), (0, 0, ended), (0, 0, None), (0, 0, other))
    seen = followed(cast(Subscriber, told), Until(), lambda: told.now_s, "12345678")
    assert list(seen) == [started, ended]
    assert capsys.readouterr().err == ""


def test_a_change_of_the_model_concerns_every_run_and_names_both() -> None:
    card = {"name": "toy", "sha256": "ab" * 32, "backend": "openvino", "precision": "bf16"}
    body = {
        "event": "model_changed",
        "before": card | {"version": "1"},
        "after": card | {"version": "2"},
        "why": "asked for",
    }
    change = Record("status", 7, body)
    told = Told((0, 0, change), (0, 0, None))
    assert list(followed(cast(Subscriber, told), None, lambda: told.now_s, "8057")) == [change]
    assert record_line(change).endswith(
        "model: toy 2 (abababababab) on openvino bf16 serves from now on, before it "
        "toy 1 (abababababab) on openvino bf16; asked for"
    )


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--until-end"], 1)])
def test_ctrl_c_is_how_an_endless_watch_ends_well(
    words: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Iterator[Record]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(watch, "followed", interrupted)
    monkeypatch.setattr(Subscriber, "wait_subscribed", lambda _self: None)
    assert main(["watch", "ipc:///tmp/phenostream-nobody", *words]) == code


def test_no_run_is_not_any_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "ipc:///tmp/phenostream-nobody", "--run", ""]) == 2
    assert "--run ''" in capsys.readouterr().err


def test_the_run_that_is_wanted_reaches_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def note_what(*arguments: object) -> Iterator[Record]:
        asked.append(arguments[3])
        yield from ()

    monkeypatch.setattr(watch, "followed", note_what)
    monkeypatch.setattr(Subscriber, "wait_subscribed", lambda _self: None)
    for words in ([], ["--run", "8057"]):
        assert main(["watch", "ipc:///tmp/phenostream-nobody", *words]) == 0
    assert asked == [None, "8057"]
