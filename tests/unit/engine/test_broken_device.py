"""Which errors end the process: those after which the device does nothing more in it."""

from __future__ import annotations

import pytest

from batchscribe_engine.inference.errors import (
    InferenceError,
    ModelUnavailableError,
    OutOfMemoryError,
    device_is_broken,
)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA failed with error an illegal memory access was encountered"),
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_EXECUTION_FAILED"),
        ModelUnavailableError("the model in /m cannot be loaded: CUDA failed with error unspecified launch failure"),
    ],
)
def test_a_context_that_failed_is_broken(error: Exception) -> None:
    assert device_is_broken(error)


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("the device's memory is full: CUDA failed with error out of memory"),
        ModelUnavailableError("model base has no model.bin in /m"),
        InferenceError("the model knows no language 'xx'"),
        ValueError("max_length must be positive"),
    ],
)
def test_anything_else_is_not(error: Exception) -> None:
    assert not device_is_broken(error)
