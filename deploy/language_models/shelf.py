"""Where language models lie on this box: NAME.gguf in one folder, and beside it NAME.json, its card."""

import hashlib
import json
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final

from phenostream.daemon.summariser.llm.card import ModelCard, card_path
from phenostream.deploy.language_models.catalogue import CATALOGUE
from phenostream.engine.errors import BadLanguageModel

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What a model may be called."""
NAME_RULE: Final = "1 to 64 small letters, digits, '.', '_' and '-', a letter or digit first"
SUFFIX: Final = ".gguf"
_CHUNK: Final = 1 << 20


def models_folder() -> Path:
    """``$PHENOSTREAM_MODELS``, as a service has it; else this user's folder, ``$XDG_DATA_HOME/phenostream/models``."""
    if named := os.environ.get("PHENOSTREAM_MODELS"):
        return Path(named)
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
        get = f"phenostream fetch-llm {llm if llm in CATALOGUE else 'FILE --name ' + llm}"
        raise BadLanguageModel(f"language model {llm}: not at {path}; get it: {get}")
    return path


def fetched_models(folder: Path) -> list[Path]:
    """The files of the models that lie in a folder, by name; what is still arriving is hidden."""
    return sorted(folder.glob(f"[!.]*{SUFFIX}"))


def is_path(llm: str) -> bool:
    """Whether a text means a file, not a name."""
    return "/" in llm or llm.endswith(SUFFIX)


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
