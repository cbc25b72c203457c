"""What can be chosen about a reproduction, with its allowed ranges."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from phenostream.trainer.data.protocols import Protocol


class ReproduceSettings(BaseModel):
    """One protocol on one data set, over several seeds.

    Attributes:
        bsccm: The data set's folder, or one level above it.
        out: Where everything is kept; several protocols of one data set share it, and then their gaps are told.
        protocol: How the labelled cells are parted.
        seeds: Trainings of the same recipe on the same split.
        quick: A shortened run, to see that everything works; its numbers do not judge the model.
        epochs: Instead of what the recipe, or a quick run, would take.
        ablations: Also train the network without each of its parts, briefly.
        threads: Cores to train on; they decide the time, not the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bsccm: Path
    out: Path
    protocol: Protocol
    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    quick: bool = False
    epochs: Annotated[int, Field(ge=1, le=1_000)] | None = None
    ablations: bool = True
    threads: Annotated[int, Field(ge=1, le=256)] = 1

    @property
    def folder(self) -> Path:
        """Where this protocol's seeds and report lie."""
        return self.out / (f"{self.protocol}-quick" if self.quick else self.protocol)

    @property
    def packed(self) -> Path:
        """The packed cells, shared by all protocols."""
        return self.out / "packed.npz"

    @property
    def command(self) -> str:
        """How to get the same again, but for where the data lie."""
        words = ["phenostream reproduce --bsccm ROOT", f"--protocol {self.protocol}"]
        words += [f"--seeds {self.seeds}", "--quick" if self.quick else ""]
        words += ["" if self.epochs is None else f"--epochs {self.epochs}"]
        words += ["" if self.ablations else "--no-ablations"]
        return " ".join(filter(None, words))

    @property
    def seed_numbers(self) -> tuple[int, ...]:
        """1, 2, 3 ..."""
        return tuple(range(1, self.seeds + 1))
