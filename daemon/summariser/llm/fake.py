"""A true language model with no weights: it takes a path through the grammar, and fails on command.

The tests' default. Its file is JSON instead of GGUF and ends in ``.fake.json``: what it says, and what goes wrong.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phenostream.daemon.summariser.llm.choices import choices_of
from phenostream.daemon.summariser.llm.protocol import Completion, Messages, ModelFacts, Opening
from phenostream.engine.errors import BadInput, BadLanguageModel, EngineFault

SUFFIX: Final = ".fake.json"
_BLOCK_BYTES: Final = 64 << 20
_CHARACTERS: Final = 4
"""Of a text, a token."""

Fault = Literal["none", "fail", "hang", "crash", "allocate", "late"]


class FakeScript(BaseModel):
    """What the file of a fake may say.

    Attributes:
        says: Its text whatever the grammar; None: a path through it.
        parameters: What it claims to have.
        fault: What goes wrong: `fail` raises, `hang` never returns, `crash` ends the process, `allocate` takes memory
            without end, `late` writes until its deadline.
        sound: Texts it writes before that.
        while_opening: It goes wrong before it is open.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: str | None = None
    parameters: Annotated[int, Field(ge=0)] = 135_000_000
    fault: Fault = "none"
    sound: Annotated[int, Field(ge=0)] = 0
    while_opening: bool = False


class FakeModel:
    """See `LanguageModel`."""

    def __init__(self, opening: Opening) -> None:
        """Read the script.

        Raises:
            BadLanguageModel: It is not one.
        """
        content = _read(opening.path)
        try:
            self._script = FakeScript.model_validate(json.loads(content))
        except (ValueError, ValidationError) as err:
            raise BadLanguageModel(f"{opening.path.name}: not the script of a fake model") from err
        name = opening.path.name.removesuffix(SUFFIX)
        sha256 = hashlib.sha256(content).hexdigest()
        self.facts = ModelFacts(name, sha256, self._script.parameters, "none", True, "fake")
        self._written = 0
        if self._script.while_opening:
            self._go_wrong(0.0)

    def complete(
        self,
        messages: Messages,
        *,
        grammar: str | None,
        max_tokens: int,
        deadline_s: float,
        seed: int = 0,
    ) -> Completion:
        """A text that depends on the messages, the grammar and the seed alone; see `LanguageModel.complete`."""
        began_s = time.monotonic()
        if self._written >= self._script.sound and self._script.fault != "none":
            self._go_wrong(deadline_s)
            return Completion("", 0, time.monotonic() - began_s, "deadline")
        self._written += 1
        text = self._text(messages, grammar, seed)
        tokens = -(-len(text) // _CHARACTERS)
        seconds = time.monotonic() - began_s
        if tokens > max_tokens:
            return Completion(text[: max_tokens * _CHARACTERS], max_tokens, seconds, "length")
        return Completion(text, tokens, seconds, "stop")

    def close(self) -> None:
        """Nothing to release."""

    def _text(self, messages: Messages, grammar: str | None, seed: int) -> str:
        if self._script.says is not None:
            return self._script.says
        if grammar is None:
            return "Some cells were seen."
        choices = choices_of(grammar)
        if choices is None:
            raise BadInput("grammar: not a sequence of choices, a fake model takes no other")
        said = json.dumps([dict(message) for message in messages], sort_keys=True)
        digest = hashlib.sha256(f"{seed} {said}".encode()).digest()
        picked = [
            texts[digest[place % len(digest)] % len(texts)] for place, texts in enumerate(choices)
        ]
        return "".join(picked)

    def _go_wrong(self, deadline_s: float) -> None:
        never = threading.Event()
        faults: dict[Fault, Callable[[], object]] = {
            "none": lambda: None,
            "fail": _fail,
            "hang": never.wait,
            "crash": os.abort,
            "allocate": _allocate,
            "late": lambda: never.wait(deadline_s),
        }
        faults[self._script.fault]()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise BadLanguageModel(f"{path}: {err.strerror or err}") from err


def _fail() -> None:
    raise EngineFault("the fake model was told to fail")


def _allocate() -> None:
    """Take memory, and touch it, until there is none."""
    taken = []
    while True:
        taken.append(bytearray(b"\x01") * _BLOCK_BYTES)
