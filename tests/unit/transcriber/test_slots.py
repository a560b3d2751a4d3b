"""The allocator: whose turn it is for a slot, and that no one is ever stuck for want of one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.transcriber.slots import GUARANTEED, Grant, SlotAllocator, SlotState


@dataclass(eq=False)
class File:
    """A holder."""

    backlogged: bool = False
    party: Party = NOBODY


def granted(allocator: SlotAllocator, holder: File, count: int) -> list[Grant]:
    """So many slots, all of which must be there at once."""
    return [allocator.request(holder).result() for _ in range(count)]


async def test_a_slot_goes_through_its_states_and_comes_back_under_a_new_generation():
    slots, file = SlotAllocator(4), File()
    (grant,) = granted(slots, file, 1)
    assert slots.state(grant) is SlotState.FILLING
    slots.filled(grant)
    slots.reading(grant)
    assert slots.state(grant) is SlotState.READING
    slots.ready(grant)
    slots.release(grant)
    (again,) = granted(slots, file, 1)

    assert again.slot == grant.slot
    assert again.generation != grant.generation
    assert slots.state(grant) is SlotState.FREE


async def test_out_of_turn_moves_are_refused():
    slots, file = SlotAllocator(4), File()
    (grant,) = granted(slots, file, 1)

    with pytest.raises(ValueError, match="is FILLING, not READY"):
        slots.reading(grant)
    slots.release(grant)
    with pytest.raises(ValueError, match="not held"):
        slots.release(grant)
    with pytest.raises(ValueError, match="is FREE, not FILLING"):
        slots.filled(grant)


async def test_a_file_alone_has_all_but_the_reserve_which_a_newcomer_gets_at_once():
    slots, alone, newcomer = SlotAllocator(8), File(), File()
    granted(slots, alone, 7)
    waiting = slots.request(alone)

    assert not waiting.done()
    granted(slots, newcomer, 1)
    assert slots.free == 0


async def test_a_freed_slot_goes_to_whoever_holds_fewest_then_to_whoever_waited_longest():
    slots, rich, poor, late = SlotAllocator(7), File(), File(), File()
    held = granted(slots, rich, 5)
    granted(slots, poor, 1)
    granted(slots, late, 1)
    more_rich, more_poor, more_late = slots.request(rich), slots.request(poor), slots.request(late)
    slots.release(held[0])

    assert more_poor.done()
    assert not more_late.done()
    slots.release(held[1])
    assert more_late.done()
    assert not more_rich.done()


async def test_a_file_with_backlog_gets_nothing_until_it_is_read():
    slots, file = SlotAllocator(8), File(backlogged=True)
    waiting = slots.request(file)
    assert not waiting.done()

    file.backlogged = False
    slots.serve()
    assert slots.state(waiting.result()) is SlotState.FILLING


async def test_a_cancelled_request_gives_its_place_up():
    slots, first, second = SlotAllocator(4), File(), File()
    held = granted(slots, first, 3)
    granted(slots, second, 1)
    gone, staying = slots.request(first), slots.request(second)
    gone.cancel()
    slots.release(held[0])
    slots.release(held[1])

    assert staying.done()
    assert slots.free == 1


async def test_the_lowest_free_slot_is_used_so_that_untouched_ones_take_no_memory():
    slots, file = SlotAllocator(64), File()
    used = set()
    for _ in range(100):
        first, second = granted(slots, file, 2)
        used |= {first.slot, second.slot}
        slots.release(first)
        slots.release(second)

    assert used == {0, 1}


async def test_everyone_who_waits_gets_the_guarantee_in_time_whatever_the_others_hold():
    slots = SlotAllocator(10)
    greedy, others = File(), [File(), File()]
    held = granted(slots, greedy, 9)
    requests = [[slots.request(other) for _ in range(GUARANTEED)] for other in others]
    still_greedy = slots.request(greedy)
    for grant in held[:6]:
        slots.release(grant)

    async with asyncio.timeout(1):
        done = await asyncio.gather(*requests[0], *requests[1])
    assert len({grant.slot for grant in done}) == 2 * GUARANTEED
    assert not still_greedy.done()


async def test_a_newcomer_gets_the_next_free_slots_before_a_batch_that_holds_nearly_all_in_many_files():
    """Each file of the large batch holds less than the newcomer gets to hold: what counts is what its batch holds."""
    slots = SlotAllocator(40)
    files = [File(party=Party("tenant", "large")) for _ in range(39)]
    held = [slots.request(file).result() for file in files]
    lone = File(party=Party("tenant"))
    wanted_by_batch = [slots.request(file) for file in files]
    wanted_by_lone = [slots.request(lone) for _ in range(10)]
    for grant in held[:10]:
        slots.release(grant)

    assert all(request.done() for request in wanted_by_lone)
    assert [request.done() for request in wanted_by_batch] == [True, *[False] * 38]


async def test_tenants_come_before_batches():
    slots = SlotAllocator(11)
    batches = [File(party=Party("many", str(number))) for number in range(4)]
    other = File(party=Party("one", "batch"))
    held = [grant for batch in batches for grant in granted(slots, batch, 2)]
    granted(slots, other, 3)
    more = [slots.request(batch) for batch in batches]
    another = slots.request(other)
    slots.release(held[0])

    assert another.done()
    assert not any(request.done() for request in more)
