"""How every socket of the daemon is opened: with keys, under watch, and with a socket file that is ours alone.

Shared by all threads. The gate's thread answers for keys and watches connections; everything that it and the owners of
sockets both touch is in here: the allow-list, which is only ever replaced, and a list of sockets to watch.
"""

import logging
import time
from collections import deque
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Final

import zmq

from phenostream.daemon.config import SecurityConfig
from phenostream.daemon.health import Health
from phenostream.daemon.notify import notify
from phenostream.daemon.security.allow_list import AllowList, Place
from phenostream.daemon.security.connections import Connections
from phenostream.daemon.security.ipc_folder import close_socket_file
from phenostream.daemon.security.keys import SERVER_PAIR, KeyPair
from phenostream.daemon.security.turnstile import Turnstile
from phenostream.daemon.socket_options import Context, Socket, bind, connect
from phenostream.daemon.wake import Wake
from phenostream.engine.errors import BadConfig

logger = logging.getLogger(__name__)

_EVENTS: Final = int(zmq.Event.ACCEPTED | zmq.Event.CONNECTED | zmq.Event.DISCONNECTED)
_FAULT: Final = "allow_list"


@dataclass(frozen=True, slots=True)
class Opening:
    """How one socket is opened.

    Attributes:
        key: For messages: ``ingest.endpoint``.
        url: Address.
        place: What its peers must be allowed.
        budget_bytes: What one connection may have sent that was not read here yet.
        refunds: What was read here is taken off the budget again; False: it is held on to, as subscriptions are.
        section: Name under which ``security.plain`` gives consent.
        connects: Connects instead of listening.
    """

    key: str
    url: str
    place: Place
    budget_bytes: int
    section: str
    connects: bool = False
    refunds: bool = True


@dataclass(frozen=True, slots=True)
class Watched:
    """A socket whose connections are watched: its end of the monitor, used by the gate's thread from now on."""

    key: str
    monitor: Socket
    connections: Connections


class Guard:
    """Keys, allow-list and limits of one daemon.

    Attributes:
        allowed: Who may come in at the moment; None without keys.
        wake: Set when there is something for the gate's thread.
        changed: Set when connections of removed keys may be open.
        new: Sockets that the gate's thread does not watch yet.
    """

    def __init__(self, config: SecurityConfig, health: Health) -> None:
        """Read the keys and the allow-list.

        Raises:
            BadConfig: A file is missing, open to others, or holds no key.
        """
        self._config, self._health = config, health
        self._pair = None if config.keys is None else KeyPair.read(config.keys, SERVER_PAIR)
        self.allowed = None if config.keys is None else AllowList.read(config.keys)
        self.wake = Wake()
        self.changed = Event()
        self.new: deque[Watched] = deque()
        self._reloading = Lock()
        self._watched: list[Watched] = []
        self._reloads = self._refused = 0
        self._plain: list[str] = []

    def open(self, context: Context, socket: Socket, opening: Opening) -> tuple[Turnstile, str]:
        """Bind or connect a socket that has its limits; its turnstile, and its endpoint with the real port.

        Raises:
            BadConfig: The endpoint cannot be opened, or would be plain on a network without consent; the socket is
                closed then.
        """
        curve = self._speaks_curve(opening)
        if not curve and opening.url.startswith("tcp://"):
            self._plain.append(opening.section)
        turnstile = Turnstile(self.current if curve else None, self._look_for_removed)
        if curve and self._pair is not None:
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._pair.secret)
            socket.setsockopt(zmq.ZAP_DOMAIN, opening.place.encode())
            socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without a gate nobody comes in
        self._watch(context, socket, opening, turnstile)
        if opening.connects:
            return turnstile, connect(socket, opening.url, opening.key)
        endpoint = bind(socket, opening.url, opening.key)
        try:
            close_socket_file(opening.url, self._config.ipc_group, opening.key)
        except BadConfig:
            socket.close(0)
            raise
        return turnstile, endpoint

    def current(self) -> AllowList:
        """The allow-list of the moment."""
        if self.allowed is None:
            raise BadConfig("security.keys: none")
        return self.allowed

    def reload(self) -> dict[str, Any]:
        """Read the allow-list again, in any thread, while systemd is told so; what is allowed from now on.

        A daemon that is not ready yet must not say so by that: then nobody is told.

        Raises:
            BadConfig: It cannot be read: the old one stays, and health says so.
        """
        with self._reloading:
            tells = self._health.snapshot()["state"] != "starting"
            if tells:
                notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                self._read_again()
            finally:
                if tells:
                    notify("READY=1")
            told = self.told()
            return {key: told[key] for key in ("keys", "allowed", "reloads")}

    def _read_again(self) -> None:
        if self._config.keys is None:
            logger.info("no allow-list to reload: security.keys is empty")
            return
        try:
            self.allowed = AllowList.read(self._config.keys)
        except BadConfig as err:
            self._health.degrade(_FAULT, str(err))
            logger.error("allow-list not reloaded, the old one stays: %s", err)
            raise
        self._reloads += 1
        self._health.recover(_FAULT)
        self._look_for_removed()
        logger.info("allow-list reloaded: %d entries", len(self.allowed.grants))

    def refused(self) -> None:
        """Somebody's key was not let in."""
        self._refused += 1

    def told(self) -> dict[str, Any]:
        """For the status; plain values."""
        return {
            "keys": self.allowed is not None,
            "allowed": 0 if self.allowed is None else len(self.allowed.grants),
            "reloads": self._reloads,
            "refused": self._refused,
            "plain": list(self._plain),
            "sockets": {
                one.key.removesuffix(".endpoint"): {
                    "connections": len(one.connections),
                    "over_budget": one.connections.tally.over_budget,
                    "over_cap": one.connections.tally.over_cap,
                    "removed": one.connections.tally.removed,
                }
                for one in self._watched
            },
        }

    def close(self) -> None:
        """After every thread has ended."""
        self.wake.close()

    def _look_for_removed(self) -> None:
        self.changed.set()
        self.wake.set()

    def _speaks_curve(self, opening: Opening) -> bool:
        if not opening.url.startswith("tcp://"):
            return False
        return self._pair is not None and opening.section not in self._config.plain

    def _watch(
        self, context: Context, socket: Socket, opening: Opening, turnstile: Turnstile
    ) -> None:
        """Before the socket is bound, so that no connection goes unseen; handed over with a full barrier."""
        address = f"inproc://gate/{opening.key}"
        socket.monitor(address, _EVENTS)
        monitor = context.socket(zmq.PAIR)
        monitor.setsockopt(zmq.LINGER, 0)
        monitor.setsockopt(zmq.RCVHWM, 0)  # an event that is lost is a connection unseen
        monitor.connect(address)
        connections = Connections(
            self._config.most_peers, opening.budget_bytes, turnstile, refunds=opening.refunds
        )
        self._watched.append(watched := Watched(opening.key, monitor, connections))
        self.new.append(watched)
        self.wake.set()
