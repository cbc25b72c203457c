"""A plan that is handed on: with what it is of and for in front of it, and refused where that is not what is wanted.

Two lines of text, then the plan: a word with the format's version; the facts and the plan's length and hash as JSON.
The hash finds what was cut or altered on the way, not what was forged: a plan is executable, so take one only from
where you would take a program. Knows bytes; does not know files.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from phenostream.engine.backends.driver import DeviceFacts
from phenostream.engine.backends.tensorrt.build import BuildSettings
from phenostream.engine.backends.tensorrt.library import Library, one_line
from phenostream.engine.backends.tensorrt.plan import plan_facts
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import MOST_ENTRY_BYTES, Facts
from phenostream.engine.errors import BadInput

_FIRST: Final = b"phenostream plan 1\n"
_LONGEST_HEADER: Final = 16 << 10
MOST_BYTES: Final = MOST_ENTRY_BYTES
"""Of a plan file, all in all."""
_WORDS: Final = {
    "model": "graph",
    "workspace_mib": "workspace (MiB)",
    "version_compatible": "version compatible",
    "hardware_compatible": "hardware compatible",
}
"""Facts by what they are called in a message, where that is not their key."""


def sealed_plan(facts: Facts, plan: bytes) -> bytes:
    """The content of a plan file."""
    header = {"facts": dict(facts), "bytes": len(plan), "sha256": hashlib.sha256(plan).hexdigest()}
    return b"".join((_FIRST, json.dumps(header, sort_keys=True).encode(), b"\n", plan))


def taken_plan(
    content: bytes,
    bundle: Bundle,
    library: Library,
    settings: BuildSettings,
    device: DeviceFacts | None,
) -> bytes:
    """The plan of a plan file, if it is the one that would be built here.

    One that was made for every GPU of a compute capability is taken for a GPU of that.

    Raises:
        BadInput: It is no plan file, not whole, or made of or for something else; the text says what differs.
        EngineFault: The library runs only on a device, and there is none.
    """
    facts, plan = _opened(content)
    if facts.get("version_compatible"):
        raise BadInput(
            "a plan that later versions can run carries a runtime of its own; the daemon takes none, "
            "it is for other programs"
        )
    shared = bool(facts.get("hardware_compatible"))
    wanted = plan_facts(bundle, library, replace(settings, hardware_compatible=shared), device)
    odd = [_difference(key, facts, wanted) for key in wanted if facts.get(key) != wanted[key]]
    unknown = sorted(set(facts) - set(wanted))
    if odd or unknown:
        odd += [f"{one_line(key)} is not known here" for key in unknown]
        raise BadInput(f"not a plan for this: {'; '.join(odd)}")
    return plan


def _opened(content: bytes) -> tuple[Facts, bytes]:
    """Facts and plan of a file that is whole."""
    if not content.startswith(_FIRST):
        raise BadInput(f"not a plan file: it does not begin with {_FIRST.decode().strip()!r}")
    end = content.find(b"\n", len(_FIRST), len(_FIRST) + _LONGEST_HEADER)
    header = _parsed(content[len(_FIRST) : end]) if end >= 0 else None
    if header is None:
        raise BadInput("not a plan file: its second line does not say what it holds")
    facts, size, sha256 = header
    plan = content[end + 1 :]
    if len(plan) != size:
        raise BadInput(f"cut short or longer: a plan of {len(plan)} bytes, expected {size}")
    if hashlib.sha256(plan).hexdigest() != sha256:
        raise BadInput("altered: the plan is not the one that its header has the hash of")
    return facts, plan


def _parsed(line: bytes) -> tuple[dict[str, str | int], int, str] | None:
    """Facts, length and hash; None where it is anything else."""
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict) or set(header) != {"facts", "bytes", "sha256"}:
        return None
    facts, size, sha256 = header["facts"], header["bytes"], header["sha256"]
    good = isinstance(facts, dict) and all(type(value) in (str, int) for value in facts.values())
    if not good or type(size) is not int or not isinstance(sha256, str):
        return None
    return facts, size, sha256


def _difference(key: str, found: Mapping[str, object], wanted: Facts) -> str:
    had = one_line(str(found.get(key, "nothing")))
    expected = str(wanted[key])
    if key == "model":  # hashes: the first digits tell two graphs apart
        had, expected = had[:12], expected[:12]
    return f"{_WORDS.get(key, key)} {had!r}, here {expected!r}"
