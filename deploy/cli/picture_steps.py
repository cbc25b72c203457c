"""One progress bar for work of several steps, each with a length of its own."""

from types import TracebackType
from typing import Any, Self

from phenostream.deploy.cli.terminal import progress


class StepBar:
    """Shows the step that is going on; use it in `with`."""

    def __init__(self) -> None:
        self._what = ""
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, what: str, more: int, total: int | None) -> None:
        """So many more of a step of so many are done; a step of another name or length starts a new bar."""
        plain = what.partition(",")[0]
        if self._bar is None or plain != self._what:
            if self._bar is not None:
                self._bar.close()
            self._what, self._bar = plain, progress(total, plain, "step")
        self._bar.set_postfix_str(what.partition(",")[2].strip(), refresh=False)
        self._bar.update(more)
