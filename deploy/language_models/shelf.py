"""Where language models lie on this box, and what is written beside each of them.

A model is two files in one folder: NAME.gguf, and NAME.json with what it is, its licence and where it came from.
"""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from phenostream.engine.errors import BadLanguageModel

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What a model may be called."""
NAME_RULE: Final = "1 to 64 small letters, digits, '.', '_' and '-', a letter or digit first"
SUFFIX: Final = ".gguf"
_CARD_SUFFIX: Final = ".json"
_LONGEST_CARD_BYTES: Final = 16 << 10
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is written beside a model.

    Attributes:
        name: What it is called here.
        title: What it calls itself.
        sha256: Of its file, 64 hex digits.
        size_bytes: Of its file.
        parameters: How many it has.
        quantisation: How most of them are stored.
        licence: Of its weights.
        source: The packages or the file that it came from.
    """

    name: str
    title: str
    sha256: str
    size_bytes: int
    parameters: int
    quantisation: str
    licence: str
    source: str

    @classmethod
    def of(cls, plain: Any) -> Self:
        """The card that a JSON object tells.

        Raises:
            BadLanguageModel: It tells something else.
        """
        kinds: dict[str, type] = dict(cls.__annotations__)
        if not isinstance(plain, dict) or set(plain) != set(kinds):
            raise BadLanguageModel(f"allowed an object of {', '.join(kinds)}")
        for field, kind in kinds.items():
            if type(plain[field]) is not kind:
                raise BadLanguageModel(f"{field}: {plain[field]!r:.80}, allowed {kind.__name__}")
        return cls(**plain)


def models_folder() -> Path:
    """The folder of this user's models: ``$XDG_DATA_HOME/phenostream/models``."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "phenostream" / "models"


def model_path(llm: str, folder: Path | None = None) -> Path:
    """A model's file, by the name that ``fetch-llm`` gave it or by its path.

    Args:
        llm: A name, or a path: one that holds a ``/`` or ends in ``.gguf``.
        folder: Where named models lie; this user's, if none is given.

    Raises:
        BadLanguageModel: It is not there; the text says how to get it.
    """
    if is_path(llm):
        path = Path(llm).expanduser()
        if not path.is_file():
            raise BadLanguageModel(f"language model {llm}: no such file")
        return path
    if NAME.fullmatch(llm) is None:
        raise BadLanguageModel(
            f"language model {llm!r:.80}: allowed a path, or a name of {NAME_RULE}"
        )
    path = (folder or models_folder()) / f"{llm}{SUFFIX}"
    if not path.is_file():
        raise BadLanguageModel(
            f"language model {llm}: not at {path}; get it: phenostream fetch-llm {llm}"
        )
    return path


def is_path(llm: str) -> bool:
    """Whether a text means a file, not a name."""
    return "/" in llm or llm.endswith(SUFFIX)


def card_path(model: Path) -> Path:
    """Where the card of a model lies."""
    return model.with_suffix(_CARD_SUFFIX)


def read_card(model: Path) -> ModelCard:
    """What is written beside a model.

    Raises:
        BadLanguageModel: There is no card, or it is none.
    """
    path = card_path(model)
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_CARD_BYTES + 1)
        if len(content) > _LONGEST_CARD_BYTES:
            raise BadLanguageModel(f"longer than {_LONGEST_CARD_BYTES} bytes")
        return ModelCard.of(json.loads(content))
    except OSError as err:
        raise BadLanguageModel(f"{path}: {(err.strerror or str(err)).lower()}") from err
    except (ValueError, RecursionError) as err:
        raise BadLanguageModel(f"{path}: not JSON") from err
    except BadLanguageModel as err:
        raise BadLanguageModel(f"{path}: {err}") from err


def write_card(model: Path, card: ModelCard) -> None:
    """Write what a model is beside it, whole or not at all."""
    path = card_path(model)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(asdict(card), indent=2) + "\n")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sha256_of(file: IO[bytes]) -> str:
    """Hash of everything that is left in an open file."""
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
