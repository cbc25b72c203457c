"""What is written beside a model's file by whoever fetched it: what it is, its licence and where it came from.

A card is believed of a file only if it names that file's hash.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from phenostream.engine.errors import BadLanguageModel

_SUFFIX: Final = ".json"
_LONGEST_BYTES: Final = 16 << 10


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


def card_path(model: Path) -> Path:
    """Where the card of a model lies."""
    return model.with_suffix(_SUFFIX)


def read_card(model: Path) -> ModelCard:
    """What is written beside a model.

    Raises:
        BadLanguageModel: There is no card, or it is none.
    """
    path = card_path(model)
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_BYTES + 1)
        if len(content) > _LONGEST_BYTES:
            raise BadLanguageModel(f"longer than {_LONGEST_BYTES} bytes")
        return ModelCard.of(json.loads(content))
    except OSError as err:
        raise BadLanguageModel(f"{path}: {(err.strerror or str(err)).lower()}") from err
    except (ValueError, RecursionError) as err:
        raise BadLanguageModel(f"{path}: not JSON") from err
    except BadLanguageModel as err:
        raise BadLanguageModel(f"{path}: {err}") from err


def card_of(model: Path, sha256: str) -> ModelCard | None:
    """The card of this very file; None where there is none, or it is damaged or of another file."""
    try:
        card = read_card(model)
    except BadLanguageModel:
        return None
    return card if card.sha256 == sha256 else None
