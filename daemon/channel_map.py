"""What an instrument's announced shots truly are, where its wiring differs from what it says.

A site finds the map with `phenostream check-orientation` and configures it by the instrument's name. It is a renaming
of START's shots and touches no pixel: what was announced stays in every record, with the map beside it.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, model_validator

from phenostream.daemon.wire.ingest import Name, Shot, Start


class ChannelMap(BaseModel):
    """Announced shot = the illumination that it truly is; a shot that is not named is what it is called."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    left: Shot = "left"
    right: Shot = "right"
    top: Shot = "top"
    bottom: Shot = "bottom"

    @model_validator(mode="after")
    def _permutes(self) -> "ChannelMap":
        for truth in ("left", "right", "top", "bottom"):
            named = [shot for shot, other in self if other == truth]
            if len(named) > 1:
                raise ValueError(
                    f"{' and '.join(named)} are both {truth!r}, allowed each of left, right, top, bottom "
                    "once (a shot that is not named is itself)"
                )
        return self

    def truth(self, shot: Shot) -> Shot:
        """The illumination of a shot that is announced so."""
        truth: Shot = getattr(self, shot)
        return truth


ChannelMaps = Mapping[Name, ChannelMap]
"""By instrument; one that is not named is wired as it says."""
NO_MAPS: Final[ChannelMaps] = {}


def true_shots(start: Start, maps: ChannelMaps) -> tuple[Shot, ...]:
    """What the shots of a run truly are, in the order of its data."""
    own = maps.get(start.instrument)
    return start.shots if own is None else tuple(own.truth(shot) for shot in start.shots)


def told_map(start: Start, truths: tuple[str, ...]) -> dict[str, str] | None:
    """The map as records tell it: announced shot: true shot, for every shot of the run; None where nothing differs."""
    return None if truths == start.shots else dict(zip(start.shots, truths, strict=True))
