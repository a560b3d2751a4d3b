"""What can go wrong with a batch as a whole; the server knows each of these by its reason."""

from __future__ import annotations


class InferenceError(Exception):
    """The batch cannot be run; the message says why in plain words."""

    reason = "INFERENCE_FAILED"


class ModelUnavailableError(InferenceError):
    """The model cannot be loaded: its folder is incomplete or broken, or the memory budget is too small for it."""

    reason = "MODEL_UNAVAILABLE"


class OutOfMemoryError(InferenceError):
    """The device has not enough memory for the work, or for the model."""

    reason = "INFERENCE_OUT_OF_MEMORY"
