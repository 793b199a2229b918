"""A small pair of ONNX files that stands in for an encoder and a decoder of the SAM family.

Its results can be worked out by hand. The encoder gives the mean normalised brightness of each
square of 16 x 16 pixels. The decoder's mask is what is bright in the box; a click that belongs to
the object adds a square about it, one that does not takes such a square away.
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

REACH = 32
"""Half a side of the square of a click, in pixels of the encoder's square."""
_OPSET = 17
_FLOAT = TensorProto.FLOAT


def write_pair(folder: Path) -> dict[str, object]:
    """Write both files into a folder; return the settings ``assist`` that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    return settings_of(
        _written(folder / "encoder.onnx", encoder_content()),
        _written(folder / "decoder.onnx", decoder_content()),
    )


def settings_of(encoder: Path, decoder: Path) -> dict[str, object]:
    """Settings ``assist`` of two files, with their digests as they are now."""
    return {
        "encoder": str(encoder),
        "encoder_sha256": hashlib.sha256(encoder.read_bytes()).hexdigest(),
        "decoder": str(decoder),
        "decoder_sha256": hashlib.sha256(decoder.read_bytes()).hexdigest(),
    }


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@cache
def encoder_content(side: int = 1024, *, takes_picture: bool = False) -> bytes:
    """Content of the encoder's file.

    With `takes_picture` it takes the picture as it is, (rows, columns, 3), as some exporters do,
    and normalises it by 128 instead.
    """
    if takes_picture:
        shape = ["rows", "columns", 3]
        nodes = [
            helper.make_node("Transpose", ["image"], ["planes"], perm=[2, 0, 1]),
            helper.make_node("Unsqueeze", ["planes", "zero"], ["batch"]),
            helper.make_node("Shape", ["batch"], ["size"]),
            helper.make_node("Sub", ["full", "size"], ["after"]),
            helper.make_node("Concat", ["none", "after"], ["pads"], axis=0),
            helper.make_node("Sub", ["batch", "middle"], ["normal"]),
            helper.make_node("Pad", ["normal", "pads"], ["square"]),
        ]
        values = {
            "zero": np.array([0]),
            "full": np.array([1, 3, side, side]),
            "none": np.zeros(4, np.int64),
            "middle": np.float32(128),
        }
    else:
        shape = [1, 3, side, side]
        nodes = [helper.make_node("Identity", ["image"], ["square"])]
        values = {}
    nodes += [
        helper.make_node("ReduceMean", ["square"], ["grey"], axes=[1], keepdims=1),
        helper.make_node(
            "AveragePool", ["grey"], ["embedding"], kernel_shape=[16, 16], strides=[16, 16]
        ),
    ]
    inputs = [helper.make_tensor_value_info("image", _FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("embedding", _FLOAT, [1, 1, side // 16, side // 16])]
    return _model("encoder", nodes, inputs, outputs, values)


@cache
def decoder_content(*, channels: int = 1, leaves_out: str = "") -> bytes:
    """Content of the decoder's file; without the input or output that `leaves_out` names."""
    sizes: dict[str, list[int | str]] = {
        "image_embeddings": [1, channels, 64, 64],
        "point_coords": [1, "points", 2],
        "point_labels": [1, "points"],
        "mask_input": [1, 1, 256, 256],
        "has_mask_input": [1],
        "orig_im_size": [2],
    }
    node = helper.make_node
    nodes = [
        # what is bright, at the size of the mask
        node("ReduceMean", ["image_embeddings"], ["bright"], axes=[1], keepdims=1),
        node("Resize", ["bright", "", "scales"], ["large"], mode="nearest"),
        node("Greater", ["large", "zero"], ["is_bright"]),
        # the points as (1, N, 1, 1)
        node("Split", ["point_coords"], ["x2", "y2"], axis=2),
        node("Unsqueeze", ["x2", "last"], ["x"]),
        node("Unsqueeze", ["y2", "last"], ["y"]),
        node("Unsqueeze", ["point_labels", "both"], ["labels"]),
        # inside the box: right of and below label 2, left of and above label 3
        node("Equal", ["labels", "two"], ["is_first"]),
        node("Equal", ["labels", "three"], ["is_last"]),
        *_corner("x", "is_first", "left"),
        *_corner("y", "is_first", "top"),
        *_corner("x", "is_last", "right"),
        *_corner("y", "is_last", "bottom"),
        node("Greater", ["columns", "left"], ["a"]),
        node("Less", ["columns", "right"], ["b"]),
        node("Greater", ["rows", "top"], ["c"]),
        node("Less", ["rows", "bottom"], ["d"]),
        node("And", ["a", "b"], ["ab"]),
        node("And", ["c", "d"], ["cd"]),
        node("And", ["ab", "cd"], ["is_inside"]),
        node("And", ["is_inside", "is_bright"], ["of_box"]),
        # near a click
        node("Sub", ["columns", "x"], ["dx"]),
        node("Sub", ["rows", "y"], ["dy"]),
        node("Abs", ["dx"], ["ax"]),
        node("Abs", ["dy"], ["ay"]),
        node("Max", ["ax", "ay"], ["distance"]),
        node("Less", ["distance", "reach"], ["is_near"]),
        *_near("one", "added"),
        *_near("zero", "taken"),
        node("Or", ["of_box", "added"], ["with_added"]),
        node("Not", ["taken"], ["is_left"]),
        node("And", ["with_added", "is_left"], ["mask"]),
        node("Where", ["mask", "one", "minus_one"], ["low_res_masks"]),
        node("Identity", ["low_res_masks"], ["masks"]),
        node("ReduceMax", ["low_res_masks"], ["iou_predictions"], axes=[2, 3], keepdims=0),
    ]
    places = (np.arange(256, dtype=np.float32) + 0.5) * 4 - 0.5  # as points are given
    values = {
        "scales": np.array([1, 1, 4, 4], np.float32),
        "last": np.array([3]),
        "both": np.array([2, 3]),
        **{name: np.float32(n) for n, name in enumerate(("zero", "one", "two", "three"))},
        "minus_one": np.float32(-1),
        "reach": np.float32(REACH),
        "columns": places.reshape(1, 1, 1, 256),
        "rows": places.reshape(1, 1, 256, 1),
        "points_axis": np.array([1]),
    }
    inputs = [
        helper.make_tensor_value_info(name, _FLOAT, size)
        for name, size in sizes.items()
        if name != leaves_out
    ]
    outputs = [
        helper.make_tensor_value_info(name, _FLOAT, size)
        for name, size in (
            ("masks", [1, 1, 256, 256]),
            ("iou_predictions", [1, 1]),
            ("low_res_masks", [1, 1, 256, 256]),
        )
        if name != leaves_out
    ]
    return _model("decoder", nodes, inputs, outputs, values)


def _corner(axis: str, which: str, name: str) -> list[onnx.NodeProto]:
    """Coordinate of the one point of a kind, (1, 1, 1, 1)."""
    return [
        helper.make_node("Where", [which, axis, "zero"], [f"{name}_only"]),
        helper.make_node("ReduceSum", [f"{name}_only", "points_axis"], [name], keepdims=1),
    ]


def _near(label: str, name: str) -> list[onnx.NodeProto]:
    """Whether a click of a kind is near; (1, 1, 256, 256)."""
    node = helper.make_node
    return [
        node("Equal", ["labels", label], [f"{name}_kind"]),
        node("And", ["is_near", f"{name}_kind"], [f"{name}_near"]),
        node("Where", [f"{name}_near", "one", "zero"], [f"{name}_number"]),
        node("ReduceMax", [f"{name}_number"], [f"{name}_any"], axes=[1], keepdims=1),
        node("Greater", [f"{name}_any", "zero"], [name]),
    ]


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    values: dict[str, np.ndarray | np.float32],
) -> bytes:
    constants = [numpy_helper.from_array(np.asarray(value), key) for key, value in values.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
