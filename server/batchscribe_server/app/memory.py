"""What was needed for a moment, and the allocator keeps: given back to the system."""

from __future__ import annotations

import asyncio
import ctypes

EVERY_S = 10.0


async def give_back_memory() -> None:
    """Until cancelled, let the C library give back what is free in it: gRPC's buffers are spread all over its heaps.

    It took 0.3 to 2 ms each time. Other C libraries than glibc have no such call, and mostly no need of it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(EVERY_S)
        trim(0)
