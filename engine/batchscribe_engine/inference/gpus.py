"""How many GPUs there are. Apart from `whisper`, so that asking doesn't load everything that a model needs."""

from __future__ import annotations

import ctranslate2


def count_cuda_devices() -> int:
    """The CUDA devices that CTranslate2 can use; CUDA_VISIBLE_DEVICES is honoured."""
    return int(ctranslate2.get_cuda_device_count())
