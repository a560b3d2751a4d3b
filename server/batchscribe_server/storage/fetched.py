"""Room on the disk for inputs that are fetched: each is there for as long as it is worked on, and gone afterwards."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path


class GrowingRoom:
    """Room for a file whose size is not known before it is there."""

    def __init__(self, path: Path, size_bytes: int, take: Callable[[int], None]) -> None:
        """`take` counts so many bytes more."""
        self.path = path
        self.size_bytes = size_bytes
        self._take = take

    def grow_to(self, size_bytes: int) -> None:
        """Count the file as of that size, where it was counted as smaller.

        Never waits, also where the bound is exceeded by it: two files that are half there would wait for each other
        forever. So files of unknown size may take more than there is, and whoever comes next waits for all of it.
        """
        if size_bytes > self.size_bytes:
            self._take(size_bytes - self.size_bytes)
            self.size_bytes = size_bytes


class FetchedFiles:
    """Files in `folder`, to which this process alone writes, together of at most `max_total_bytes`.

    Each may take `max_fetch_s` on its way here, 0 for no limit; whoever fetches it sees to that.

    Who needs more waits until others are done; a single file larger than that gets the room when it is alone. Belongs
    to one event loop.
    """

    def __init__(self, folder: Path, max_total_bytes: int, max_fetch_s: float = 0.0) -> None:
        self.max_fetch_s = max_fetch_s
        self._folder = folder
        self._max_total_bytes = max_total_bytes
        self._total_bytes = 0
        self._freed = asyncio.Condition()

    async def start(self) -> None:
        """Make the folder, and drop what a crash left in it."""
        await asyncio.to_thread(_emptied, self._folder)

    @asynccontextmanager
    async def room(self, size_bytes: int) -> AsyncIterator[Path]:
        """A path of its own for a file of that size, which is removed in the end. Waits until there is room."""
        async with self.growing_room(size_bytes) as room:
            yield room.path

    @asynccontextmanager
    async def growing_room(self, size_bytes: int = 0) -> AsyncIterator[GrowingRoom]:
        """Room for a file of at least that size, which may turn out to be larger; otherwise as `room`."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._fits(size_bytes))
            self._take(size_bytes)
        room = GrowingRoom(self._folder / secrets.token_hex(16), size_bytes, self._take)
        try:
            yield room
        finally:
            # Not to be put off by a cancellation: the room is given back on the loop, the file goes at once.
            room.path.unlink(missing_ok=True)
            self._total_bytes -= room.size_bytes
            async with self._freed:
                self._freed.notify_all()

    def _take(self, size_bytes: int) -> None:
        self._total_bytes += size_bytes

    def _fits(self, size_bytes: int) -> bool:
        return not self._total_bytes or self._total_bytes + size_bytes <= self._max_total_bytes


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
