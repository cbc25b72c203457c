"""llama.cpp through xllamacpp: a prebuilt wheel, no compiler.

The library is llama.cpp's server in this process, and its HTTP listener cannot be left out. It is given a socket file
in a folder of ours instead of a port, and the file is removed as soon as it is there: nobody can connect any more.
"""

import os
import tempfile
from collections.abc import Callable
from typing import Any, Final

import xllamacpp

from phenostream.daemon.summariser.llm.identity import model_facts
from phenostream.daemon.summariser.llm.protocol import Opening
from phenostream.daemon.summariser.llm.writer import DRAWN_TEMPERATURE, Passage
from phenostream.engine.errors import BadInput, EngineFault

_SOCKET: Final = "http.sock"
_BATCH_TOKENS: Final = 64
"""Of a prompt, in one call: how far apart the looks at the clock are."""
_SILENT: Final = -1


class XllamacppWriter:
    """See `Writer`."""

    def __init__(self, opening: Opening) -> None:
        """Load a model.

        Raises:
            BadLanguageModel: The file is refused.
            EngineFault: The library cannot load it, or listens where others could reach it.
        """
        self.facts = model_facts(opening.path, "xllamacpp")
        self._server: Any = _served(opening)

    def write(self, passage: Passage, on_piece: Callable[[str], bool]) -> None:
        """See `Writer.write`; a prompt is read without looks at the clock."""
        heard = _Heard(on_piece)
        self._server.handle_chat_completions(_request(passage), heard)
        if heard.raised is not None:
            raise heard.raised
        if heard.fault:
            raise BadInput(f"xllamacpp: {heard.fault}")

    def close(self) -> None:
        """End the server."""
        self._server = None


class _Heard:
    """Takes what the server streams; an exception must not go through its C++."""

    def __init__(self, on_piece: Callable[[str], bool]) -> None:
        self.fault = ""
        self.raised: Exception | None = None
        self._on_piece = on_piece

    def __call__(self, chunk: dict[str, Any]) -> bool:
        try:
            if "error" in chunk:
                self.fault = str(chunk["error"].get("message"))[:200]
                return True
            piece = chunk["choices"][0]["delta"].get("content")
            return piece is not None and self._on_piece(piece)
        except Exception as err:
            self.raised = err
            return True


def _request(passage: Passage) -> dict[str, Any]:
    messages = [dict(message) for message in passage.messages]
    if passage.begun:
        messages.append({"role": "assistant", "content": passage.begun})
    request = {
        "messages": messages,
        "max_tokens": passage.most_tokens,
        "temperature": DRAWN_TEMPERATURE if passage.seed else 0.0,
        "seed": passage.seed,
        "cache_prompt": True,
        "stream": True,
    }
    return request if passage.grammar is None else {**request, "grammar": passage.grammar}


def _served(opening: Opening) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(opening.path)
    params.n_ctx = opening.context_tokens
    params.n_batch = params.n_ubatch = _BATCH_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = opening.threads
    params.n_parallel = params.n_threads_http = 1
    params.cache_ram_mib = 0
    params.verbosity = _SILENT
    params.ui = params.warmup = False
    with tempfile.TemporaryDirectory(prefix="phenostream-") as folder:
        socket = os.path.join(folder, _SOCKET)
        params.hostnames = [socket]
        try:
            server = xllamacpp.Server(params)
        except RuntimeError as err:
            raise EngineFault(f"xllamacpp: {err}") from err
        if server.listening_address != f"unix://{socket}":
            raise EngineFault(f"xllamacpp listens on {server.listening_address}, not on {socket}")
    return server
