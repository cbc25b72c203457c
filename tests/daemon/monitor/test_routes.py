"""What is answered to which path, while the daemon is well, unwell and away."""

import asyncio
import json
from typing import Any

import pytest

from phenostream.daemon.monitor.http import Request, Response
from phenostream.daemon.monitor.inquiry import Inquiry
from phenostream.daemon.monitor.routes import Routes
from phenostream.daemon.monitor.site import Site
from tests.daemon.monitor.told import STATUS, ToyDaemon

STARTING = {**STATUS, "state": "starting"}


def _answer(path: str, says: dict[str, Any] | None = STATUS) -> Response:
    async def ask() -> Response:
        routes = Routes(Inquiry(lambda: ToyDaemon(says)), Site())
        return await routes.answer(Request("GET", path, ""))

    return asyncio.run(ask())


def _json(response: Response) -> Any:
    assert response.media_type == "application/json"
    return json.loads(response.body)


@pytest.mark.parametrize(
    ("path", "says", "code", "told"),
    [
        ("/v2/health/live", STATUS, 200, {"live": True}),
        ("/v2/health/live", STARTING, 200, {"live": True}),
        ("/v2/health/live", None, 503, {"live": False, "reason": "ipc:///x: no answer to status within 2 s"}),
        ("/v2/health/ready", STATUS, 200, {"ready": True}),
        ("/v2/health/ready/", STATUS, 200, {"ready": True}),
        ("/v2/health/ready", STARTING, 503, {"ready": False, "reason": "state starting"}),
        ("/v2/health/ready", None, 503, {"ready": False, "reason": "ipc:///x: no answer to status within 2 s"}),
        ("/v2/models/demo/ready", STATUS, 200, {"name": "demo", "ready": True}),
        ("/v2/models/demo/versions/3/ready", STARTING, 503,
         {"name": "demo", "ready": False, "reason": "state starting"}),
        ("/v2/models/other", STATUS, 404, {"error": "model other: demo 3 serves"}),
        ("/v2/models/demo/versions/2", STATUS, 404, {"error": "model demo 2: demo 3 serves"}),
        ("/v2/models/demo", None, 503, {"error": "ipc:///x: no answer to model within 2 s"}),
    ],
)  # fmt: skip
def test_health(path: str, says: dict[str, Any] | None, code: int, told: dict[str, Any]) -> None:
    response = _answer(path, says)
    assert response.code == code
    assert _json(response) == told


def test_the_model_is_told_in_the_words_of_kserve() -> None:
    told = _json(_answer("/v2/models/demo"))
    assert (told["name"], told["versions"]) == ("demo", ["3"])
    assert told["inputs"][0] == {"name": "crops", "datatype": "FP32", "shape": [-1, 4, 28, 28]}
    assert {"name": "class_logits", "datatype": "FP32", "shape": [-1, 3]} in told["outputs"]
    assert told["parameters"]["synthetic"] is True


def test_the_server_names_itself_also_while_the_daemon_is_away() -> None:
    assert _json(_answer("/v2", None))["name"] == "phenostream"


@pytest.mark.parametrize("path", ["/favicon.ico", "/v2/models", "/metrics/x", "/../etc/passwd"])
def test_other_paths_are_not_there(path: str) -> None:
    response = _answer(path)
    assert response.code == 404
    assert "/v2/health/ready" in _json(response)["error"]


def test_metrics_and_the_page_are_there_while_the_daemon_is_away() -> None:
    assert b"\nphenostream_up 0.0\n" in _answer("/metrics", None).body
    page = _answer("/", None)
    assert page.media_type.startswith("text/html")
    assert b"no answer to status within 2 s" in page.body
