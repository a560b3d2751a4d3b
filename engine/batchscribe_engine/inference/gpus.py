"""Which devices there are. Apart from `whisper`, so that asking doesn't load everything that a model needs."""

from __future__ import annotations

import ctranslate2


def count_cuda_devices() -> int:
    """The CUDA devices that CTranslate2 can use; CUDA_VISIBLE_DEVICES is honoured."""
    return int(ctranslate2.get_cuda_device_count())


def compute_types() -> dict[str, list[str]]:
    """The compute types of the CPU, and of the GPUs where there are any."""
    kinds = ("cpu", "cuda") if count_cuda_devices() else ("cpu",)
    return {kind: sorted(ctranslate2.get_supported_compute_types(kind)) for kind in kinds}
