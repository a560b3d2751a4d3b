"""Weights read out of ONNX files, written here byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from batchscribe_engine.media.onnx_tensors import OnnxFormatError, float_tensors

if TYPE_CHECKING:
    from pathlib import Path

FLOAT, INT64 = 1, 7


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer; `content` is shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def tensor(name: str, data_type: int, raw: bytes, *dims: int, packed: bool = False) -> bytes:
    shape = field(1, bytes(dims)) if packed else b"".join(bytes([1 << 3, size]) for size in dims)
    return shape + bytes([2 << 3, data_type]) + field(8, name.encode()) + field(9, raw)


def model(*tensors: bytes) -> bytes:
    graph = field(2, b"a graph") + b"".join(field(5, each) for each in tensors)
    version, double, fixed = b"\x08\x07", b"\x79" + bytes(8), b"\x7d" + bytes(4)
    return version + double + fixed + field(7, graph)


@pytest.mark.parametrize("packed", [False, True])
def test_weights_come_by_name_in_their_shape_and_what_is_no_float_is_left_out(tmp_path: Path, packed: bool) -> None:
    weights = np.arange(6, dtype="<f4").reshape(2, 3)
    path = tmp_path / "model.onnx"
    path.write_bytes(
        model(
            tensor("shape", INT64, bytes(8), 1, packed=packed),
            tensor("encoder.weight", FLOAT, weights.tobytes(), 2, 3, packed=packed),
            tensor("bias", FLOAT, b"\x00\x00\x80\x3f"),
        )
    )
    found = float_tensors(path)
    assert found.keys() == {"encoder.weight", "bias"}
    assert np.array_equal(found["encoder.weight"], weights)
    assert found["bias"].shape == ()
    assert found["bias"] == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(model(tensor("w", FLOAT, bytes(12), 2, 2)), id="too little data for the shape"),
        pytest.param(model(tensor("w", FLOAT, bytes(16), 2, 2))[:-1], id="cut short"),
        pytest.param(b"\xff", id="an endless number"),
        pytest.param(b"this is no model", id="text"),
        pytest.param(model(bytes([2 << 3, FLOAT])), id="a tensor without a name"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(OnnxFormatError, match=r"model\.onnx"):
        float_tensors(path)
