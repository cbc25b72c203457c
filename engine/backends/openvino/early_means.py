"""Take the mean over an image before what commutes with it: sums, concatenations and convolutions of one pixel.

The mean of a sum is the sum of the means, and a convolution of one pixel is the same matrix at every pixel. Our network
ends its convolutions with a shortcut of one pixel, added to a concatenation, and then reads only the mean over 14 x 14
pixels: taken first, the shortcut is one pixel's work instead of 196 and nothing is concatenated. The sums are those of
before in another order, so outputs differ in their last digits.
"""

from typing import Any, Final

_PIXELS: Final = [2, 3]
"""Axes of an image (N, C, H, W)."""


def pool_early(openvino: Any, model: Any) -> int:
    """Rewrite a model in place.

    Args:
        openvino: The module.
        model: An `openvino.Model`, not yet compiled.

    Returns:
        How many means are taken earlier.
    """
    moved = 0
    for node in model.get_ordered_ops():
        image = _pooled(node)
        if image is None or not _has_shortcut(image):
            continue
        early = _mean(openvino, image)
        if len(node.output(0).get_partial_shape()) == 2:
            early = openvino.opset13.squeeze(early, _PIXELS).output(0)
        for reader in list(node.output(0).get_target_inputs()):
            reader.replace_source_output(early)
        moved += 1
    if moved:
        model.validate_nodes_and_infer_types()
    return moved


def _pooled(node: Any) -> Any:
    """The image (N, C, H, W) of which a node takes the mean over all pixels; None of any other node."""
    if node.get_type_name() != "ReduceMean":
        return None
    value, axes = node.input_value(0), _list(node.input_value(1))
    shape = value.get_partial_shape()
    if len(shape) == 4:
        return value if sorted(axes) == _PIXELS else None
    if axes != [1] or node.get_attributes()["keep_dims"]:
        return None
    rows = value.get_node()  # (N, H W, C), from an image by way of (N, C, H W)
    if rows.get_type_name() != "Transpose" or _list(rows.input_value(1)) != [0, 2, 1]:
        return None
    flat = rows.input_value(0).get_node()
    if flat.get_type_name() != "Reshape":
        return None
    image = flat.input_value(0)
    before, after = image.get_partial_shape(), flat.output(0).get_partial_shape()
    return image if len(before) == 4 and before[1] == after[1] else None


def _has_shortcut(value: Any) -> bool:
    """Whether a convolution of one pixel is among what commutes with the mean, and does not stand alone in it."""
    node = value.get_node()
    if node.get_type_name() == "Convolution":
        return _is_matrix(node)
    return _commutes(node) and any(_has_shortcut(part) for part in node.input_values())


def _mean(openvino: Any, value: Any) -> Any:
    """(N, C, 1, 1), the mean of an image over its pixels."""
    ops = openvino.opset13
    shape = value.get_partial_shape()
    if all(shape[axis].is_static and shape[axis].get_length() == 1 for axis in _PIXELS):
        return value
    node = value.get_node()
    if node.get_type_name() == "Convolution" and _is_matrix(node):
        mean, plain = _mean(openvino, node.input_value(0)), ([1, 1], [0, 0], [0, 0], [1, 1])
        return ops.convolution(mean, node.input_value(1), *plain).output(0)
    if not _commutes(node):
        return ops.reduce_mean(value, _PIXELS, True).output(0)
    means = [_mean(openvino, part) for part in node.input_values()]
    return (ops.add(*means) if node.get_type_name() == "Add" else ops.concat(means, 1)).output(0)


def _commutes(node: Any) -> bool:
    """A sum of images or channels' constants, or images side by side."""
    kind = node.get_type_name()
    if any(len(value.get_partial_shape()) != 4 for value in node.input_values()):
        return False
    return kind == "Add" or (kind == "Concat" and bool(node.get_attributes()["axis"] == 1))


def _is_matrix(node: Any) -> bool:
    """A convolution that sees one pixel and skips none."""
    shape = node.input_value(1).get_partial_shape()
    attributes = node.get_attributes()
    pads = [*attributes["pads_begin"], *attributes["pads_end"]]
    return bool(
        len(shape) == 4
        and [shape[axis] for axis in _PIXELS] == [1, 1]
        and list(attributes["strides"]) == [1, 1]
        and not any(pads)
        and attributes["auto_pad"] in ("explicit", "valid")
    )


def _list(value: Any) -> list[int]:
    """The numbers of a constant; none of anything else."""
    node = value.get_node()
    return [int(one) for one in node.data.ravel()] if node.get_type_name() == "Constant" else []
