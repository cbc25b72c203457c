"""Waiting for a ZeroMQ socket inside an event loop, in the loop's own thread: sockets never change threads."""

import asyncio

import zmq

from phenostream.daemon.socket_options import Socket


async def readable(socket: Socket, timeout_s: float) -> bool:
    """Whether a message is there, waiting up to `timeout_s` (or less) without blocking the event loop."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    descriptor = int(socket.getsockopt(zmq.FD))
    loop.add_reader(descriptor, woken.set)
    try:
        if not socket.poll(
            0
        ):  # also takes libzmq's pending signals, which the descriptor only announces once
            try:
                await asyncio.wait_for(woken.wait(), timeout_s)
            except TimeoutError:
                return False
        return bool(socket.poll(0))
    finally:
        loop.remove_reader(descriptor)
