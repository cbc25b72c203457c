"""Batch buckets and the shapes a plan is made for.

A batch is padded to the next bucket. TensorRT picks its kernels for exact shapes while building, so there a plan has a
profile for every bucket; TensorRT-RTX compiles them for the shapes it meets, so there one profile spans all buckets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phenostream.engine.backends.tensorrt.library import Library
from phenostream.engine.errors import BadConfig
from phenostream.engine.types import CROP_PX, SHOTS

BUCKETS: Final = (1, 8, 32, 128, 512, 1024)
"""Crops in a batch, as a backend pads them where nobody said otherwise."""
LARGEST_BUCKET: Final = 4096
MOST_BUCKETS: Final = 16

INPUT_SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "images": (len(SHOTS), CROP_PX, CROP_PX),
    "background": (len(SHOTS),),
}
"""Graph inputs in order, with their shape after the batch axis."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Batch sizes that one set of kernels serves: the least, the one it is best for, the most."""

    least: int
    best: int
    most: int

    def shapes(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """The three shapes of an input."""
        rest = INPUT_SHAPES[name]
        return (self.least, *rest), (self.best, *rest), (self.most, *rest)


def checked_buckets(buckets: Sequence[int]) -> tuple[int, ...]:
    """Buckets as given.

    Raises:
        BadConfig: None or too many, one out of range, or not in rising order.
    """
    shown = ",".join(map(str, buckets[: MOST_BUCKETS + 1]))
    if not 1 <= len(buckets) <= MOST_BUCKETS:
        raise BadConfig(f"batch buckets: {len(buckets)} of them, allowed 1 to {MOST_BUCKETS}")
    for bucket in buckets:
        if not 1 <= bucket <= LARGEST_BUCKET:
            raise BadConfig(
                f"batch buckets: {bucket} is out of range, allowed 1 to {LARGEST_BUCKET}"
            )
    if list(buckets) != sorted(set(buckets)):
        raise BadConfig(f"batch buckets: {shown}: allowed in rising order, each once")
    return tuple(buckets)


def buckets_for(max_batch: int) -> tuple[int, ...]:
    """The buckets of the plan for batches of up to `max_batch` crops: the usual ones, and more only where they end.

    One plan serves every `max_batch` up to the largest usual bucket: the one that was built beforehand is found.
    """
    return BUCKETS if max_batch <= BUCKETS[-1] else (*BUCKETS, max_batch)


def used_buckets(buckets: Sequence[int], max_batch: int) -> tuple[int, ...]:
    """Those of a plan's buckets that batches of up to `max_batch` crops can be padded to."""
    below = [bucket for bucket in buckets if bucket < max_batch]
    return (*below, *[bucket for bucket in buckets if bucket >= max_batch][:1])


def profiles_of(library: Library, buckets: Sequence[int]) -> tuple[Profile, ...]:
    """The profiles of a plan, in order."""
    if library.is_rtx:
        return (Profile(buckets[0], buckets[len(buckets) // 2], buckets[-1]),)
    return tuple(Profile(bucket, bucket, bucket) for bucket in buckets)
