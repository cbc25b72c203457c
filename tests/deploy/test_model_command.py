"""`phenostream model`: what it asks of a daemon, what it shows of the answers, and a truthful exit code."""

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import zmq

from phenostream.daemon.swap.state import Swap, SwapSettings
from phenostream.daemon.wire.codec import pack, unpack_header
from phenostream.daemon.wire.control import REQUEST
from phenostream.deploy.bundles import demo_bundle
from phenostream.deploy.cli.main import BAD_USAGE, FAILED, GOOD, main

OLD = {
    "name": "toy",
    "version": "1",
    "sha256": "a" * 64,
    "signed_by": None,
    "backend": "openvino",
    "device": "CPU",
    "precision": "bf16",
}
NEW = OLD | {"version": "2", "sha256": "b" * 64, "signed_by": "lab (00ff)"}
SETTINGS = SwapSettings(Path("/models/toy-2"))


def told(state: str, **found: Any) -> dict[str, Any]:
    """As the daemon tells it."""
    swap = Swap(1, state, SETTINGS, NEW, OLD, of_frames=50, **found)  # type: ignore[arg-type]
    return swap.told(1.0)


class Scripted:
    """A control service that gives prepared answers, in order, and keeps what it was asked."""

    def __init__(self, url: str, answers: Sequence[dict[str, Any]]) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self._answers = list(answers)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.bind(url)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            if not self._socket.poll(20_000):
                return
            peer, part = self._socket.recv_multipart()
            request = unpack_header(part)
            REQUEST.validate_python(request)  # what the daemon would say to it
            self.asked.append(request)
            head = {"v": 1, "id": request["id"], "type": request["type"], **answer}
            self._socket.send_multipart([peer, pack(head)])

    def close(self) -> None:
        self._thread.join(20)
        self._socket.close(0)
        self._context.term()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/c"


@pytest.fixture
def served(url: str) -> Iterator[list[Scripted]]:
    """Holds the service that a test makes, so that it is closed."""
    made: list[Scripted] = []
    yield made
    for one in made:
        one.close()


def script(served: list[Scripted], url: str, *answers: dict[str, Any]) -> Scripted:
    served.append(Scripted(url, answers))
    return served[0]


def swaps(*states: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "loading", "swap": states[0]}, *({"swap": state} for state in states[1:])]


def test_a_swap_that_goes_through_is_followed_to_its_end(
    served: list[Scripted], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = script(
        served,
        url,
        *swaps(
            told("loading"), told("testing"), told("comparing", cells=9), told("probation"),
            told("serving", cells=2000, frames=50),
        ),
    )  # fmt: skip
    words = ["model", "load", "/models/toy-2", "--to", url, "--cells", "500", "--wait", "30"]
    assert main([*words, "--max-slowdown", "2"]) == GOOD
    said = capsys.readouterr()
    assert daemon.asked[0] == {
        "v": 1,
        "type": "model_load",
        "id": 1,
        "bundle": "/models/toy-2",
        "cells": 500,
        "min_agreement": 0.98,
        "max_marker_shift": 0.1,
        "max_slowdown": 2.0,
        "wait_s": 30.0,
        "now": False,
    }
    assert [one["type"] for one in daemon.asked[1:]] == ["model_swap"] * 4
    assert [line.split(":")[0] for line in said.err.splitlines()] == [
        "loading",
        "testing",
        "comparing",
        "probation",
    ]
    assert said.out.splitlines()[0] == "toy 2 serves"


@pytest.mark.parametrize(
    ("state", "first"),
    [
        ("refused", "REFUSED: toy 2 does not serve, toy 1 serves on"),
        ("rolled_back", "ROLLED BACK: toy 2 was taken back, toy 1 serves again"),
        ("cancelled", "CANCELLED: toy 1 serves"),
    ],
)
def test_a_swap_that_does_not_is_exit_code_1_with_the_reason(
    state: str,
    first: str,
    served: list[Scripted],
    url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script(served, url, *swaps(told("loading"), told(state, reason="agreement\x1b 0.31")))
    assert main(["model", "load", "/models/toy-2", "--to", url]) == FAILED
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == [first, "reason: agreement? 0.31"]


def test_json_is_the_swap_as_the_daemon_tells_it(
    served: list[Scripted], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    end = told("refused", reason="why")
    daemon = script(served, url, *swaps(end))
    assert main(["model", "load", "demo", "--to", url, "--now", "--json"]) == FAILED
    assert json.loads(capsys.readouterr().out) == end
    assert (daemon.asked[0]["bundle"], daemon.asked[0]["now"]) == (str(demo_bundle()), True)


def test_what_the_daemon_refuses_at_once_is_one_line(
    served: list[Scripted], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script(served, url, {"type": "refused", "reason": "model_load: another one is under way"})
    assert main(["model", "load", "/models/toy-2", "--to", url]) == FAILED
    assert capsys.readouterr().err == (
        f"phenostream model: {url}: model_load: another one is under way\n"
    )


def test_a_relative_path_is_of_this_box_and_of_no_other(
    served: list[Scripted],
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    daemon = script(served, url, *swaps(told("refused")))
    assert main(["model", "load", "toy", "--to", url]) == FAILED
    assert daemon.asked[0]["bundle"] == str(tmp_path / "toy")
    capsys.readouterr()
    assert main(["model", "load", "toy", "--to", "tcp://10.1.2.3:5"]) == BAD_USAGE
    assert "BUNDLE 'toy': allowed an absolute path, as the box of" in capsys.readouterr().err


def test_list_tells_what_serves_what_stands_by_and_the_last_swap(
    served: list[Scripted], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card: dict[str, Any] = {"model": NEW | {"manifest": {}}}
    swap = told("probation", frames=7, standing_by=OLD)
    script(served, url, card, {"swap": swap})
    assert main(["model", "list", "--from", url]) == GOOD
    shown = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in shown[2:4]]
    assert rows == [
        ["serves", "toy", "2", "b" * 12, "openvino", "bf16", "CPU", "lab", "(00ff)"],
        ["stands", "by", "toy", "1", "a" * 12, "openvino", "bf16", "CPU", "nobody"],
    ]
    assert "probation: toy 2 in place of toy 1; 0 of 2000 cells, 7 of 50 frames" in shown


def test_list_of_a_daemon_that_never_swapped(
    served: list[Scripted], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script(served, url, *({"model": OLD | {"manifest": {}}}, {"swap": Swap().told(0.0)}) * 2)
    assert main(["model", "list", "--from", url]) == GOOD
    assert "no swap since this daemon started" in capsys.readouterr().out
    assert main(["model", "list", "--from", url, "--json"]) == GOOD
    assert json.loads(capsys.readouterr().out)["serves"] == OLD


def test_cancel_waits_until_the_old_model_serves(
    served: list[Scripted], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    states = told("comparing"), told("comparing"), told("cancelled", reason="by an operator")
    daemon = script(
        served, url, {"type": "cancelling", "swap": states[0]}, *({"swap": s} for s in states[1:])
    )
    assert main(["model", "cancel", "--to", url]) == GOOD
    assert [one["type"] for one in daemon.asked] == ["model_cancel", *["model_swap"] * 2]
    assert capsys.readouterr().out.startswith("CANCELLED: toy 1 serves")


def test_ctrl_c_leaves_the_swap_and_says_so(
    served: list[Scripted],
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from phenostream.daemon.client.control import Control

    def interrupted(_control: Control) -> dict[str, Any]:
        raise KeyboardInterrupt

    script(served, url, *swaps(told("loading")))
    monkeypatch.setattr(Control, "model_swap", interrupted)
    assert main(["model", "load", "/models/toy-2", "--to", url]) == FAILED
    assert "the swap goes on: `phenostream model list`" in capsys.readouterr().err
