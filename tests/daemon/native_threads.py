"""Threads that Python did not start, as runtimes have them."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from phenostream.daemon import priority

_LIBC = ctypes.CDLL(None)


@contextmanager
def native_thread() -> Iterator[int]:
    """A thread that Python did not start; it waits for a semaphore of the C library."""
    before = priority.runtime_threads()
    semaphore, handle = ctypes.create_string_buffer(64), ctypes.c_ulong()
    assert _LIBC.sem_init(semaphore, 0, 0) == 0
    body = ctypes.cast(_LIBC.sem_wait, ctypes.c_void_p)
    assert _LIBC.pthread_create(ctypes.byref(handle), None, body, semaphore) == 0
    (number,) = priority.runtime_threads() - before
    try:
        yield number
    finally:
        _LIBC.sem_post(semaphore)
        _LIBC.pthread_join(handle, None)
