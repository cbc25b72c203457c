"""The monitor's life: listen, say so, answer until told to stop. One event loop; the daemon may be away meanwhile."""

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from phenostream.daemon.monitor.inquiry import Daemon, Inquiry
from phenostream.daemon.monitor.routes import Routes
from phenostream.daemon.monitor.server import LOOPBACK_NAMES, Server
from phenostream.daemon.monitor.site import Site
from phenostream.daemon.monitor_config import MonitorConfig
from phenostream.daemon.notify import notify, watchdog_s

logger = logging.getLogger(__name__)

_BEATS: Final = 3
"""Signs of life in the time that systemd allows between two."""


def serve(
    config: MonitorConfig,
    connect: Callable[[], Daemon],
    site: Site,
    on_ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Answer until SIGTERM or SIGINT; to be called in the main thread.

    Args:
        config: With an address.
        connect: Makes a client of the daemon's control endpoint.
        site: What is known without the daemon.
        on_ready: Called once, with the URL, when requests are taken.

    Raises:
        BadConfig: The address cannot be listened at.
    """
    asyncio.run(_serve(config, connect, site, on_ready))


async def _serve(
    config: MonitorConfig,
    connect: Callable[[], Daemon],
    site: Site,
    on_ready: Callable[[str], None],
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    inquiry, counts = Inquiry(connect), Counter[str]()
    routes = Routes(inquiry, replace(site, served=counts))
    hosts = {*LOOPBACK_NAMES, config.host} if config.is_local else None
    server = Server(routes.answer, counts, hosts)
    port = await server.start(config.host, config.port)
    url = f"http://{f'[{config.host}]' if ':' in config.host else config.host}:{port}"
    if not config.is_local:
        logger.warning("%s is PLAIN: metrics and status are open to whoever reaches it", url)
    try:
        notify(f"READY=1\nSTATUS=serving {url}")
        on_ready(url)
        await _until(stop, watchdog_s())
    finally:
        notify("STOPPING=1")
        server.close()
        inquiry.close()


async def _until(stop: asyncio.Event, limit_s: float | None) -> None:
    """Wait for a reason to stop; systemd's watchdog is told by the loop that answers."""
    while not stop.is_set():
        try:
            async with asyncio.timeout(None if limit_s is None else limit_s / _BEATS):
                await stop.wait()
        except TimeoutError:
            notify("WATCHDOG=1")
