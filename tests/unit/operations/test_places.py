"""The places where jobs are heard: who gets the next one, and that none is lost."""

from __future__ import annotations

import asyncio

from batchscribe_server.domain.party import Party
from batchscribe_server.operations.places import Place, PlaceLimits, Places, Stage


class Hearing:
    """Jobs that are heard until they are told to end; `begun` are those that got a place, in that order."""

    def __init__(self, max_heard: int) -> None:
        self.places = Places(PlaceLimits(max_heard, max_transferring=100))
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._places: dict[str, Place] = {}

    async def ask(self, name: str, batch_id: str, tenant: str = "t", *, suspect: bool = False) -> None:
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._run(name, Party(tenant, batch_id), suspect))
        await self._settled()

    async def progress(self, name: str) -> None:
        self._places[name].progressed()
        await self._settled()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await self._settled()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.gather(self._tasks[name], return_exceptions=True)
        await self._settled()

    async def _run(self, name: str, party: Party, suspect: bool) -> None:
        async def begin_hearing() -> None:
            self.begun.append(name)

        place = self._places[name] = self.places.begin(party, begin_hearing, suspect=suspect)
        try:
            async with place.heard():
                await self._ends[name].wait()
        finally:
            place.end()

    async def _settled(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_a_free_place_goes_to_whoever_has_fewest() -> None:
    hearing = Hearing(4)
    for number in range(6):
        await hearing.ask(f"a{number}", "a")
    assert hearing.begun == ["a0", "a1", "a2", "a3"]
    for number in range(2):
        await hearing.ask(f"b{number}", "b")
    await hearing.ask("other", "c", tenant="other")
    for name in ("a0", "a1", "a2", "other"):
        await hearing.end(name)
    assert hearing.begun[4:] == ["other", "b0", "a4", "b1"]


async def test_one_place_in_eight_is_kept_for_batches_of_which_none_is_heard() -> None:
    hearing = Hearing(8)
    for number in range(9):
        await hearing.ask(f"a{number}", "a")
    assert len(hearing.begun) == 7
    assert hearing.places.wanted == 0
    await hearing.ask("lone", "")
    await hearing.ask("lone too", "")
    assert hearing.begun[7:] == ["lone"]


async def test_what_waits_or_is_cancelled_gives_its_place_back() -> None:
    hearing = Hearing(1)
    await hearing.ask("first", "a")
    await hearing.ask("second", "a")
    await hearing.ask("third", "b")
    assert hearing.places.load().fetching == {Party("t", "a"): 1, Party("t", "b"): 1}
    await hearing.cancel("third")
    await hearing.cancel("first")
    assert hearing.begun == ["first", "second"]
    await hearing.end("second")
    assert hearing.places.load().fetching == {}
    assert hearing.places.wanted == 1


async def test_a_place_that_is_given_to_one_who_is_just_cancelled_goes_on_to_the_next() -> None:
    hearing = Hearing(1)
    for name in ("first", "second"):
        await hearing.ask(name, "a")
    hearing.places.move(Party("t", "a"), Stage.HEARD, Stage.WRITING)  # the second is given its place, and cancelled
    await hearing.cancel("second")
    await hearing.ask("third", "a")
    assert hearing.begun == ["first", "third"]


async def test_nobody_may_have_a_file_fetched_once_all_places_for_it_are_taken() -> None:
    places = Places(PlaceLimits(max_heard=1, max_transferring=2))
    first, _ = (places.begin(Party("t", batch_id), nothing) for batch_id in "ab")
    assert not places.may_fetch
    first.end()
    assert places.may_fetch


async def test_the_end_of_a_write_lets_more_be_claimed_where_writes_held_somebody_back() -> None:
    places = Places(PlaceLimits(max_heard=1, max_transferring=4))
    a = Party("t", "a")
    runs = [places.begin(a, nothing) for _ in range(3)]
    for run in runs:
        async with run.heard():
            pass
    told = []
    for run in runs:  # three and two are too many for the places that are left, one is not
        places.changed.clear()
        run.end()
        told.append(places.changed.is_set())
    assert told == [True, True, False]


async def nothing() -> None:
    pass


async def test_a_suspect_is_heard_with_no_other_that_has_got_nowhere_yet() -> None:
    hearing = Hearing(4)
    await hearing.ask("first", "a")
    await hearing.ask("suspect", "a", suspect=True)
    await hearing.ask("second suspect", "a", suspect=True)
    await hearing.ask("last", "c")
    assert hearing.begun == ["first"]
    await hearing.progress("first")
    assert hearing.begun == ["first", "suspect"]
    await hearing.progress("first")
    assert hearing.begun == ["first", "suspect"]
    await hearing.end("suspect")
    assert hearing.begun == ["first", "suspect", "second suspect"]
    await hearing.progress("second suspect")
    assert hearing.begun == ["first", "suspect", "second suspect", "last"]


async def test_a_suspect_that_is_stopped_holds_up_nobody() -> None:
    hearing = Hearing(4)
    await hearing.ask("first", "a")
    await hearing.ask("suspect", "a", suspect=True)
    await hearing.ask("last", "a")
    await hearing.cancel("suspect")
    assert hearing.begun == ["first", "last"]
    await hearing.ask("second suspect", "a", suspect=True)
    await hearing.end("first")
    await hearing.end("last")
    assert hearing.begun == ["first", "last", "second suspect"]
    await hearing.ask("behind", "a")
    await hearing.cancel("second suspect")
    assert hearing.begun == ["first", "last", "second suspect", "behind"]


async def test_urls_have_half_of_the_places_and_count_until_they_are_heard_or_end() -> None:
    places = Places(PlaceLimits(max_heard=2, max_transferring=8))

    async def begin_hearing() -> None:
        pass

    def begun(*, is_url: bool) -> Place:
        return places.begin(Party("t", "a"), begin_hearing, is_url=is_url)

    files, urls = [begun(is_url=False) for _ in range(2)], [begun(is_url=True) for _ in range(4)]
    assert places.load().url_places == 0
    urls[0].end()
    assert places.load().url_places == 1
    async with urls[1].heard():
        assert places.load().url_places == 2
    urls[2].write()
    assert places.load().url_places == 3
    async with urls[3].heard(), files[0].heard():
        late = begun(is_url=True)
        waiting = asyncio.create_task(late.heard().__aenter__())
        await asyncio.sleep(0)
        assert places.load().url_places == 3  # its file is at hand, and it waits to be heard
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        late.end()
        assert places.load().url_places == 4
