"""Giving freed memory back to the operating system."""

from __future__ import annotations

import ctypes
import sys


def return_freed_memory() -> None:
    """Hand the allocator's free pages back; elsewhere than on glibc that is left to the allocator.

    Weights and work space come in many pieces, which glibc keeps for later: most of what a model took would still
    count as ours after it was unloaded.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
