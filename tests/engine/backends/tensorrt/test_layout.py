"""Tensors of a batch lie aligned in one buffer, the widest last, so that a short batch is the buffer's beginning."""

import numpy as np

from phenostream.engine.backends.tensorrt.gpu import ALIGNMENT
from phenostream.engine.backends.tensorrt.layout import Tensor, laid_out

HALF, FULL = np.dtype(np.float16), np.dtype(np.float32)
TENSORS = (
    Tensor("images", (4, 28, 28), FULL),
    Tensor("background", (4,), FULL),
    Tensor("score", (), HALF),
)


def test_every_tensor_is_aligned_and_the_widest_is_last() -> None:
    layout = laid_out(TENSORS, 100)
    assert [tensor.name for tensor in layout.tensors] == ["score", "background", "images"]
    assert layout.offsets == {"score": 0, "background": 256, "images": 256 + 1792}
    assert all(offset % ALIGNMENT == 0 for offset in layout.offsets.values())
    assert layout.nbytes == 256 + 1792 + 100 * 4 * 28 * 28 * 4


def test_a_short_batch_uses_only_the_beginning() -> None:
    layout = laid_out(TENSORS, 100)
    assert layout.used(3) == 256 + 1792 + 3 * 4 * 28 * 28 * 4
    assert layout.used(100) == layout.nbytes


def test_views_share_the_buffer_and_none_of_its_bytes_twice() -> None:
    layout = laid_out(TENSORS, 7)
    buffer = np.zeros(layout.nbytes, np.uint8)
    views = layout.views(buffer)
    for tensor in TENSORS:
        view = views[tensor.name]
        assert (view.shape, view.dtype) == ((7, *tensor.shape), tensor.dtype)
        assert not view.any()
        view[:] = 1
    assert buffer.any()
