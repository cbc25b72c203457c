"""A flag that a poll can wait for: set by any thread or signal handler, cleared by the one that polls."""

import os
from types import TracebackType


class Wake:
    """An eventfd. `set` is safe from any thread and from a signal handler; `clear` belongs to the thread that polls."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """The descriptor, readable while the flag is set."""
        return self._fd

    def set(self) -> None:
        """Set the flag; setting it twice is once."""
        os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        """Clear the flag, set or not."""
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close the descriptor, after every thread that may set it has ended."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> "Wake":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
