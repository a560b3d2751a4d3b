"""What is kept of memory: freed memory until it is told to be given back, and few of oneDNN's compiled kernels."""

from __future__ import annotations

import ctypes
import os
import sys

# From malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_LARGE_BYTES = 32 * 1024**2
_HUGE_BYTES = 1024**3

_KEPT_KERNELS = 16


def keep_freed_memory() -> None:
    """Have glibc use freed memory again instead of giving it back; to be called before any thread is started.

    Work space comes and goes with every batch, and within it with every token: given back each time, a tenth of the
    time of a beam search goes into page faults. One heap for all threads has fewer holes than one for each: measured
    on six minutes of speech with base, a peak of 459 MB instead of 576 MB.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        for size in (_LARGE_BYTES, _HUGE_BYTES):  # the most that older versions take, and newer ones
            mallopt(_M_MMAP_THRESHOLD, size)
        mallopt(_M_TRIM_THRESHOLD, _HUGE_BYTES)


def keep_few_kernels() -> None:
    """Have oneDNN keep few of the kernels that it compiles; to be called before CTranslate2 is loaded.

    It compiles the encoder's two convolutions anew for each length of a window, and keeps the last 1024 kernels: 0.6 MB
    for each length, 180 MB after 300 lengths. As nearly every segment has a length of its own, a kept one is rarely
    used again, but for that of full windows. Compiling takes 3 to 6 ms.
    """
    os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = str(_KEPT_KERNELS)


def return_freed_memory() -> None:
    """Hand the allocator's free pages back; elsewhere than on glibc that is left to the allocator.

    For now and then, and for when a model was unloaded: what is kept grows with the holes between what is in use, in
    ten minutes' work with tiny.en to 581 MB where 264 were left once it was given back.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
