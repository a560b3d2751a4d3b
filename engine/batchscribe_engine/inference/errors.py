"""What can go wrong with a batch as a whole; the server knows each of these by its reason."""

from __future__ import annotations

BROKEN_DEVICE = ("CUDA failed with error", "cuBLAS failed with status")
"""How CTranslate2 begins an error after which a CUDA context does nothing more: only a new process gets a new one."""


class InferenceError(Exception):
    """The batch cannot be run; the message says why in plain words."""

    reason = "INFERENCE_FAILED"


class ModelUnavailableError(InferenceError):
    """The model cannot be loaded: its folder is incomplete or broken, or the memory budget is too small for it."""

    reason = "MODEL_UNAVAILABLE"


class OutOfMemoryError(InferenceError):
    """The device has not enough memory for the work, or for the model."""

    reason = "INFERENCE_OUT_OF_MEMORY"


def device_is_broken(error: Exception) -> bool:
    """Whether nothing more can be expected of the device in this process. Memory that ran out can be had again."""
    return not isinstance(error, OutOfMemoryError) and any(sign in str(error) for sign in BROKEN_DEVICE)
