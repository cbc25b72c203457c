"""llama.cpp through llama-cpp-python: compiled on the box it runs on, and nothing but the library in this process."""

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import llama_cpp
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from phenostream.daemon.summariser.llm.identity import model_facts
from phenostream.daemon.summariser.llm.protocol import Opening
from phenostream.daemon.summariser.llm.writer import DRAWN_TEMPERATURE, Passage
from phenostream.engine.errors import BadInput, EngineFault

_BATCH_TOKENS: Final = 64
"""Of a prompt, in one call."""
_LAST: Final = -1
"""The token after the last that was read."""


class LlamaCppPythonWriter:
    """See `Writer`."""

    def __init__(self, opening: Opening) -> None:
        """Load a model.

        Raises:
            BadLanguageModel: The file is refused.
            EngineFault: The library cannot load it.
        """
        self.facts = model_facts(opening.path, "llama-cpp-python")
        try:
            self._llama: Any = llama_cpp.Llama(
                str(opening.path),
                n_ctx=opening.context_tokens,
                n_batch=_BATCH_TOKENS,
                n_ubatch=_BATCH_TOKENS,
                n_threads=opening.threads,
                n_threads_batch=opening.threads,
                verbose=False,
            )
        except (ValueError, RuntimeError) as err:
            raise EngineFault(f"llama-cpp-python: {err}") from err
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._chat = self._formatter()
        self._on_piece: Callable[[str], bool] = lambda _piece: False
        self._stopped = False
        self._look = llama_cpp.ggml_abort_callback(self._looked)  # the library keeps no reference
        llama_cpp.llama_set_abort_callback(self._llama.ctx, self._look, None)

    def write(self, passage: Passage, on_piece: Callable[[str], bool]) -> None:
        """See `Writer.write`; looks at the clock inside the library's calls as well."""
        prompt = self._prompt(passage)
        self._on_piece, self._stopped = on_piece, False
        try:
            self._read(prompt)
            with self._sampler(passage) as sampler:
                self._go_on(sampler, passage.most_tokens)
        except RuntimeError as err:
            if not self._stopped:
                raise EngineFault(f"llama-cpp-python: {err}") from err

    def close(self) -> None:
        """Release the model's memory."""
        self._llama.close()

    def _prompt(self, passage: Passage) -> list[int]:
        chat = self._chat(messages=[dict(message) for message in passage.messages])
        text = f"{chat.prompt}{passage.begun}".encode()
        tokens: list[int] = self._llama.tokenize(text, add_bos=not chat.added_special, special=True)
        if len(tokens) + passage.most_tokens > self._llama.n_ctx():
            needs = f"{len(tokens)} tokens and {passage.most_tokens} to write"
            raise BadInput(f"chat: {needs}, allowed {self._llama.n_ctx()} together")
        return tokens

    def _formatter(self) -> Jinja2ChatFormatter:
        """What writes a chat as this model was taught to read it."""
        llama = self._llama
        begin, end = (
            llama.detokenize([token], special=True).decode(errors="replace") if token >= 0 else ""
            for token in (llama.token_bos(), llama.token_eos())
        )
        template = llama.metadata.get("tokenizer.chat_template", "")
        return Jinja2ChatFormatter(template, eos_token=end, bos_token=begin)

    def _looked(self, _data: Any) -> bool:
        """Asked by the library between two operations: whether to stop."""
        self._stopped = self._stopped or self._on_piece("")
        return self._stopped

    def _read(self, prompt: Sequence[int]) -> None:
        """Have the model read what of the prompt it did not read last time.

        Raises:
            RuntimeError: It failed, or was stopped.
        """
        llama = self._llama
        known = zip(llama.input_ids[: llama.n_tokens], prompt[:-1], strict=False)
        kept = next((place for place, (old, new) in enumerate(known) if old != new), None)
        llama.n_tokens = min(llama.n_tokens, len(prompt) - 1) if kept is None else kept
        llama.eval(prompt[llama.n_tokens :])

    def _go_on(self, sampler: Any, most_tokens: int) -> None:
        """Write until the model or the grammar is done, it is enough, or too much.

        Raises:
            RuntimeError: The library failed, or was stopped.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for _ in range(most_tokens):
            token = llama_cpp.llama_sampler_sample(sampler, self._llama.ctx, _LAST)
            if llama_cpp.llama_vocab_is_eog(self._vocabulary, token):
                return
            if self._on_piece(decoder.decode(self._llama.detokenize([token]))):
                return
            self._llama.eval([token])

    @contextmanager
    def _sampler(self, passage: Passage) -> Iterator[Any]:
        """What chooses a token; freed at the end (the library's own wrapper waits for Python's garbage collector).

        Raises:
            BadInput: The grammar cannot be read.
        """
        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        try:
            for sampler in self._samplers(passage):
                llama_cpp.llama_sampler_chain_add(chain, sampler)  # frees it as well
            yield chain
        finally:
            llama_cpp.llama_sampler_free(chain)

    def _samplers(self, passage: Passage) -> Iterator[Any]:
        if passage.grammar is not None:
            text = passage.grammar.encode()
            grammar = llama_cpp.llama_sampler_init_grammar(self._vocabulary, text, b"root")
            if not grammar:
                raise BadInput("llama-cpp-python: the grammar is refused")
            yield grammar
        if passage.seed:
            yield llama_cpp.llama_sampler_init_temp(DRAWN_TEMPERATURE)
            yield llama_cpp.llama_sampler_init_dist(passage.seed)
        else:
            yield llama_cpp.llama_sampler_init_greedy()
