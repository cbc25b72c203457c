"""Finished steps on disk: a document is either whole and of this very run, or it is made again.

Beside each document lies a small file with its hash and what it was made from. It is written last, so that a run that
was killed at any instant never takes half a step for a whole one.
"""

import hashlib
import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from phenostream.trainer.written_whole import write_whole

_Document = TypeVar("_Document", bound=BaseModel)


def keep(path: Path, document: BaseModel, made_from: str) -> None:
    """Write a document as JSON, then that it is whole.

    Args:
        path: Of the document.
        document: What to keep.
        made_from: Whatever decides its content; another text makes it void.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (document.model_dump_json(indent=1) + "\n").encode())
    mark(path, made_from)


def kept(path: Path, kind: type[_Document], made_from: str) -> _Document | None:
    """A document that `keep` wrote from the same, or None."""
    if not is_marked(path, made_from):
        return None
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def mark(path: Path, made_from: str) -> None:
    """Say that a file is whole and what it was made from."""
    note = {"made_from": made_from, "sha256": _sha256(path)}
    write_whole(_beside(path), (json.dumps(note) + "\n").encode())


def is_marked(path: Path, made_from: str) -> bool:
    """Whether a file is whole, unchanged since, and made from the same."""
    try:
        note = json.loads(_beside(path).read_bytes())
        return bool(note == {"made_from": made_from, "sha256": _sha256(path)})
    except (OSError, ValueError):
        return False


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.made")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
