"""Room on the disk for inputs that are fetched: each is there for as long as it is worked on, and gone afterwards."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from batchscribe_server.domain.fair_share import may_take_more
from batchscribe_server.domain.party import NOBODY, Party


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


@dataclass(slots=True, eq=False)
class _Waiting:
    """A file that has no room yet. `passed_bytes` is what got room before it though it came later."""

    party: Party
    size_bytes: int
    begun: asyncio.Future[None]
    passed_bytes: int = 0


class FetchedFiles:
    """Files in `folder`, to which this process alone writes, together of at most `max_total_bytes`.

    Each may take `max_fetch_s` on its way here, 0 for no limit; whoever fetches it sees to that.

    Who needs more waits until others are done:

    - No batch gets all of it: one that has room gets more only while it has less than is left (`domain.fair_share`), so
      that files which trickle in leave room for those of others.
    - Smaller files go before a large one that finds no room, until as much as all the room has gone before it. From
      then on its room is set aside, and others get what is left beside it. So it is not passed over for ever.
    - An eighth is never set aside: a file larger than the rest is counted as large as that, and begins when it has it.
      So the disk is to have room for the largest file beside that eighth.

    Belongs to one event loop.
    """

    def __init__(self, folder: Path, max_total_bytes: int, max_fetch_s: float = 0.0) -> None:
        self.max_fetch_s = max_fetch_s
        self._folder = folder
        self._max_total_bytes = max_total_bytes
        self._largest_bytes = max_total_bytes - max_total_bytes // 8
        self._held: Counter[Party] = Counter()
        self._waiting: list[_Waiting] = []

    async def start(self) -> None:
        """Make the folder, and drop what a crash left in it."""
        await asyncio.to_thread(_emptied, self._folder)

    @asynccontextmanager
    async def room(self, size_bytes: int, party: Party = NOBODY) -> AsyncIterator[Path]:
        """A path of its own for a file of that size, which is removed in the end. Waits until there is room."""
        async with self.growing_room(size_bytes, party) as room:
            yield room.path

    @asynccontextmanager
    async def growing_room(self, size_bytes: int = 0, party: Party = NOBODY) -> AsyncIterator[GrowingRoom]:
        """Room for a file of at least that size, which may turn out to be larger; otherwise as `room`."""
        counted_bytes = min(size_bytes, self._largest_bytes)
        await self._begun(party, counted_bytes)

        def take(more_bytes: int) -> None:
            nonlocal counted_bytes
            counted_bytes += more_bytes
            self._held[party] += more_bytes

        room = GrowingRoom(self._folder / secrets.token_hex(16), size_bytes, take)
        try:
            yield room
        finally:
            # Not to be put off by a cancellation: the room is given back on the loop, the file goes at once.
            room.path.unlink(missing_ok=True)
            self._give_back(party, counted_bytes)

    async def _begun(self, party: Party, size_bytes: int) -> None:
        waiting = _Waiting(party, size_bytes, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._serve()
        try:
            await waiting.begun
        except asyncio.CancelledError:
            if waiting.begun.cancelled():
                self._serve()  # room that was set aside for it is free again
            else:  # it got its room before it was cancelled
                self._give_back(party, size_bytes)
            raise

    def _give_back(self, party: Party, size_bytes: int) -> None:
        self._held[party] -= size_bytes
        if not self._held[party]:
            del self._held[party]
        self._serve()

    def _serve(self) -> None:
        """Let all begin that may, in the order in which they came."""
        self._waiting = [each for each in self._waiting if not each.begun.done()]
        place = 0
        while place < len(self._waiting):
            first = self._waiting[place]
            if not self._may_begin(first):
                place += 1
                continue
            del self._waiting[place]
            self._held[first.party] += first.size_bytes
            first.begun.set_result(None)
            for passed in self._waiting[:place]:
                if self._has_its_turn(passed):
                    passed.passed_bytes += first.size_bytes

    def _may_begin(self, file: _Waiting) -> bool:
        if not file.size_bytes:
            return True
        due = (each for each in self._waiting if each.passed_bytes >= self._max_total_bytes)
        first_due = next((each for each in due if self._has_its_turn(each)), file)
        set_aside_bytes = 0 if first_due is file else first_due.size_bytes
        return file.size_bytes <= self._free_bytes - set_aside_bytes and self._has_its_turn(file)

    def _has_its_turn(self, file: _Waiting) -> bool:
        """Whether it is the room alone that it waits for, and not its own batch's files."""
        held_bytes = self._held[file.party]
        return not held_bytes or may_take_more(held_bytes, self._free_bytes)

    @property
    def _free_bytes(self) -> int:
        return self._max_total_bytes - self._held.total()


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
