"""Reads the weights out of an ONNX file, without a library that would run its graph.

An ONNX file is a protocol buffer (onnx/onnx.proto of github.com/onnx/onnx): a ModelProto holds a GraphProto, which
holds its weights as `initializer`, each a TensorProto. Of these messages only the fields named here are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_TENSOR_DIMS, _TENSOR_DATA_TYPE, _TENSOR_NAME, _TENSOR_RAW_DATA = 1, 2, 8, 9
_FLOAT = 1


class OnnxFormatError(Exception):
    """The file is no ONNX model, or keeps its weights in a way not read here."""


def float_tensors(path: Path) -> dict[str, Floats]:
    """The graph's float32 weights by name, each of its own shape and read-only. Raises OnnxFormatError and OSError."""
    try:
        return dict(_float_initializers(memoryview(path.read_bytes())))
    except (IndexError, KeyError, ValueError) as error:
        raise OnnxFormatError(f"{path.name} is not an ONNX model that can be read: {error}") from error


def _float_initializers(model: memoryview) -> Iterator[tuple[str, Floats]]:
    for graph in _submessages(model, _MODEL_GRAPH):
        for tensor in _submessages(graph, _GRAPH_INITIALIZER):
            shape: list[int] = []
            scalars: dict[int, int] = {}
            content: dict[int, memoryview] = {}
            for number, value in _fields(tensor):
                if number == _TENSOR_DIMS:  # one by one, or packed
                    shape += [value] if isinstance(value, int) else _varints(value)
                elif isinstance(value, int):
                    scalars[number] = value
                else:
                    content[number] = value
            if scalars.get(_TENSOR_DATA_TYPE) == _FLOAT:
                weights = np.frombuffer(content.get(_TENSOR_RAW_DATA, b""), dtype="<f4")
                yield bytes(content[_TENSOR_NAME]).decode(), weights.reshape(shape)


def _submessages(message: memoryview, number: int) -> Iterator[memoryview]:
    for found, value in _fields(message):
        if found == number and isinstance(value, memoryview):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Each field's number, with an integer for a varint and the bytes of anything else."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                value, at = _varint(message, at)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = _varint(message, at)
            case 5:
                size = 4
            case wire_type:
                raise ValueError(f"wire type {wire_type}")
        if at + size > len(message):
            raise ValueError("it is cut short")
        yield key >> 3, message[at : at + size]
        at += size


def _varints(packed: memoryview) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The integer at a place, seven bits a byte from the lowest on, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
