"""What is answered to which path."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from phenostream.daemon.monitor import kserve
from phenostream.daemon.monitor.exposition import MEDIA_TYPE, exposition
from phenostream.daemon.monitor.http import Request, Response
from phenostream.daemon.monitor.inquiry import Answer, Inquiry
from phenostream.daemon.monitor.page import page
from phenostream.daemon.monitor.readiness import why_not_ready
from phenostream.daemon.monitor.site import Site

_HTML: Final = "text/html; charset=utf-8"
_MODELS: Final = "/v2/models/"
_UNAVAILABLE: Final = 503


class Routes:
    """Answers requests about one daemon."""

    def __init__(self, inquiry: Inquiry, site: Site) -> None:
        """Ask nothing yet.

        Args:
            inquiry: Asks the daemon.
            site: What the monitor knows without it.
        """
        self._inquiry, self._site = inquiry, site
        self._table: dict[str, Callable[[], Awaitable[Response]]] = {
            "/": self._page,
            "/metrics": self._metrics,
            "/v2": self._server,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
        }

    async def answer(self, request: Request) -> Response:
        """The response to one request."""
        path = request.path.rstrip("/") or "/"
        made = self._table.get(path)
        if made is None and path.startswith(_MODELS):
            made = partial(self._model, path.removeprefix(_MODELS))
        if made is None:
            return Response.of_error(
                404, f"allowed {', '.join(self._table)}, {_MODELS}NAME[/ready]"
            )
        return await made()

    async def _page(self) -> Response:
        return Response(200, _HTML, page(await self._inquiry.status()))

    async def _metrics(self) -> Response:
        return Response(200, MEDIA_TYPE, exposition(await self._inquiry.status(), self._site))

    async def _server(self) -> Response:
        return Response.of_json(kserve.server())

    async def _live(self) -> Response:
        answer = await self._inquiry.status()
        return _verdict("live", answer.why if answer.told is None else "")

    async def _ready(self) -> Response:
        return _verdict("ready", _unready(await self._inquiry.status()))

    async def _model(self, rest: str) -> Response:
        """``NAME[/versions/VERSION][/ready]``."""
        named, asks_ready = rest.removesuffix("/ready"), rest.endswith("/ready")
        name, _, version = named.partition("/versions/")
        answer = await self._inquiry.model()
        if answer.told is None:
            return Response.of_error(_UNAVAILABLE, answer.why)
        card: dict[str, Any] = answer.told
        if name != card.get("name") or version not in ("", card.get("version")):
            serves = f"{card.get('name')} {card.get('version')} serves"
            return Response.of_error(404, f"model {name} {version}".rstrip() + f": {serves}")
        if not asks_ready:
            return Response.of_json(kserve.model(card))
        why = _unready(await self._inquiry.status())
        return _verdict("ready", why, {"name": card.get("name")})


def _unready(answer: Answer) -> str:
    return why_not_ready(answer.told, answer.why)


def _verdict(what: str, why: str, more: dict[str, Any] | None = None) -> Response:
    told = {**(more or {}), what: not why, **({"reason": why} if why else {})}
    return Response.of_json(told, _UNAVAILABLE if why else 200)
