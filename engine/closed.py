"""What the parts of a manifest have in common: closed schemas, where an unknown key or an impossible value refuses."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Closed(BaseModel):
    """Frozen, of known keys and finite numbers only."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=False,
        protected_namespaces=(),
        allow_inf_nan=False,  # a threshold of NaN would flag nothing, without a word
    )
