"""The shared-memory arena: fixed-size slots, one speech segment of 16 kHz mono 16-bit audio in each.

The layout, for `slots` slots of `SLOT_BYTES` each; a slot's place is its number times its size, so it needs no table:

    0            64                       SLOT_BYTES           2 * SLOT_BYTES
    +------------+------------------------+------------+-------+----
    | generation | int16 samples, up to   | generation | int16 |
    | samples    | 30 s (480,000 of them) | samples    |       | ...
    | padding    |                        | padding    |       |
    +------------+------------------------+------------+-------+----
      header       slot 0                   header       slot 1

The life of a slot, whose owner is always the server:

    FREE --grant(generation)--> FILLING --SegmentReady--> READY --InferBatch--> READING --BatchDone--> FREE
              server               media worker             server      engine             server

No lock is shared with a process that may die. The server alone says who may touch a slot, by descriptor messages:

- A worker that dies, hangs or is cancelled between a grant and SegmentReady gives its FILLING slots back, but only once
  the kernel says that it is gone: a worker that may still be writing is killed first. Its file goes on with another
  worker from the first segment that was not READY; those that were stay as they are.
- An engine that dies or hangs leaves its READING slots READY, again only once it is gone, and they are sent to the next
  engine. A slot is given back when its result is taken or nobody waits for it any more, and at no other time.
- `generation` is new with each grant and is checked by the reader before and after it reads. So a process that writes
  into a slot after it was taken away, against these rules, is noticed (StaleSlotError) instead of heard, and the
  segment is decoded again or fails its own file.
- When the server dies, its children see their channels end and exit. The memory is anonymous (a memfd, or an unlinked
  file where there is none) and reaches children as an inherited descriptor: when the last process is gone, so is the
  memory, however it died.

A slot takes memory from when it is first written, which costs about a millisecond for 30 s, once in a server's life.
Populating the mapping beforehand (MADV_POPULATE_WRITE) and asking for huge pages were tried, and made it no cheaper.
From then on a write is one copy at the speed of memory.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from typing import TYPE_CHECKING, Self

from batchscribe_engine.messages import MAX_SEGMENT_S, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HEADER_BYTES = 64
SLOT_SAMPLES = MAX_SEGMENT_S * SAMPLE_RATE_HZ
SLOT_BYTES = HEADER_BYTES + 2 * SLOT_SAMPLES

_HEADER = struct.Struct("<QQ")


class StaleSlotError(Exception):
    """A slot does not hold what its descriptor says: somebody wrote to it out of turn."""


class Arena:
    """A mapping of the arena in this process. The server creates it; children attach to its descriptor."""

    def __init__(self, descriptor: int, slots: int) -> None:
        self.descriptor = descriptor
        self.slots = slots
        self._memory = mmap.mmap(descriptor, slots * SLOT_BYTES)

    @classmethod
    def create(cls, slots: int) -> Self:
        """Make an arena of `slots` slots; pages take memory only once they are written."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("batchscribe-arena", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        try:
            os.ftruncate(descriptor, slots * SLOT_BYTES)
            return cls(descriptor, slots)
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def attach(cls, descriptor: int) -> Self:
        """Map an arena inherited from the server."""
        return cls(descriptor, os.fstat(descriptor).st_size // SLOT_BYTES)

    def write(self, slot: int, generation: int, samples: npt.NDArray[np.int16]) -> None:
        """Fill a slot with int16 samples of shape (n,), n at most `SLOT_SAMPLES`."""
        if samples.size > SLOT_SAMPLES:
            raise ValueError(f"a slot holds {SLOT_SAMPLES} samples, not {samples.size}")
        start = self._start(slot)
        _HEADER.pack_into(self._memory, start, generation, samples.size)
        # One copy, straight into the mapping. The view is gone before anybody could close it.
        self._view(start, samples.size)[:] = samples

    def read(self, slot: int, generation: int) -> npt.NDArray[np.int16]:
        """A slot's samples in place, int16 of shape (n,); valid until the server frees the slot.

        Raises StaleSlotError where the slot holds another generation.
        """
        start = self._start(slot)
        held, samples = _HEADER.unpack_from(self._memory, start)
        if held != generation or samples > SLOT_SAMPLES:
            raise StaleSlotError(f"slot {slot} holds generation {held}, not {generation}")
        heard = self._view(start, samples)
        heard.flags.writeable = False
        return heard

    def close(self) -> None:
        """Unmap the arena and close its descriptor. Raises BufferError while arrays from `read` are in use."""
        self._memory.close()
        os.close(self.descriptor)

    def _view(self, start: int, samples: int) -> npt.NDArray[np.int16]:
        # Imported here: the server maps the arena too, and never loads numpy.
        import numpy as np

        return np.frombuffer(self._memory, dtype="<i2", count=samples, offset=start + HEADER_BYTES)

    def _start(self, slot: int) -> int:
        if not 0 <= slot < self.slots:
            raise IndexError(f"no slot {slot} in an arena of {self.slots}")
        return slot * SLOT_BYTES
