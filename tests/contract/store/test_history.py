"""Events as they are read, and the purging of old ones."""

from __future__ import annotations

from batchscribe_server.domain.errors import InvalidArgumentError
from batchscribe_server.domain.event import SegmentHeard
from batchscribe_server.operations.store import BatchChanges, IdempotencyKey, Store
from batchscribe_server.operations.wakeups import Wakeups
from tests.contract.store.samples import (
    TENANT,
    Clock,
    check_history,
    claim_all,
    new_job,
    running_job,
    scanned_batch,
    segment,
    step,
    succeed,
)

DAY_S = 24 * 3600


async def test_events_are_read_after_a_sequence_and_within_a_limit(store: Store) -> None:
    claim = await running_job(store)
    for index in range(10):
        await store.advance(claim, step(index))
    page = await store.read_events(claim.job.name, 4, 3)
    assert [event.sequence for event in page] == [5, 6, 7]
    assert page[0].detail == SegmentHeard(segment(1))
    assert await store.read_events(claim.job.name, 13, 3) == []
    assert await store.read_events("jobs/none", 0, 3) == []


async def test_whoever_is_woken_finds_the_event(store: Store, wakeups: Wakeups) -> None:
    claim = await running_job(store)
    sequence = (await store.get_job(TENANT, claim.job.id)).sequence
    with wakeups.listening(claim.job.name) as woken:
        for index in range(5):
            woken.clear()
            await store.advance(claim, step(index))
            assert woken.is_set()
            (event,) = await store.read_events(claim.job.name, sequence, 10)
            sequence = event.sequence


async def test_the_history_of_what_ended_long_ago_goes_and_the_rest_stays(store: Store, clock: Clock) -> None:
    batch, _ = await scanned_batch(store, 1)
    (claim,) = await claim_all(store)
    await store.advance(claim, step(0))
    old = await succeed(store, claim)
    waiting = await store.create_job(new_job())
    clock.advance(DAY_S + 1)
    recent_claim = await running_job(store, priority=1)
    recent = await succeed(store, recent_claim)
    ended = await store.get_batch(TENANT, batch.id)
    assert await store.purge_history(DAY_S, 10_000) == old.sequence + ended.sequence
    assert await store.purge_history(DAY_S, 10_000) == 0
    for resource, now in (
        (old.name, await store.get_job(TENANT, old.id)),
        (batch.name, await store.get_batch(TENANT, batch.id)),
    ):
        assert now.history_start == now.sequence + 1
        assert await store.read_events(resource, 0, 10) == []
    assert [heard async for heard in store.read_segments(old.id)] == [segment(0)]
    await check_history(store, waiting.name, 1, 1)
    await check_history(store, recent.name, recent.sequence, 1)


async def test_what_is_told_of_after_a_purge_is_purged_as_well(store: Store, clock: Clock) -> None:
    batch, _ = await scanned_batch(store, 1)
    (claim,) = await claim_all(store)
    await succeed(store, claim)
    clock.advance(DAY_S)
    await store.purge_history(DAY_S - 1, 10_000)
    await store.begin_delete_job(TENANT, claim.job.id)
    told = await store.get_job(TENANT, claim.job.id)
    await store.withdraw_deletion(told, "It can't be removed.")
    renamed = await store.update_batch(TENANT, batch.id, BatchChanges(display_name="another"))
    for resource in (await store.get_job(TENANT, claim.job.id), renamed):
        await check_history(store, resource.name, resource.sequence, resource.history_start)
        assert await store.read_events(resource.name, 0, 10)
    await store.purge_history(DAY_S - 1, 10_000)
    for resource in (told, renamed):
        assert await store.read_events(resource.name, 0, 10) == []


async def test_a_purge_drops_no_more_than_it_may(store: Store, clock: Clock) -> None:
    claim = await running_job(store)
    for index in range(10):
        await store.advance(claim, step(index))
    done = await succeed(store, claim)
    clock.advance(DAY_S)
    assert await store.purge_history(DAY_S - 1, 5) == 5
    partly = await store.get_job(TENANT, done.id)
    assert partly.history_start == 6
    await check_history(store, done.name, done.sequence, 6)
    assert await store.purge_history(DAY_S - 1, 100) == done.sequence - 5


async def test_a_job_retried_after_a_purge_has_a_history_again(store: Store, clock: Clock) -> None:
    job = await store.create_job(new_job())
    cancelled = await store.cancel_job(TENANT, job.id)
    clock.advance(DAY_S)
    await store.purge_history(1, 100)
    retried = await store.retry_job(TENANT, job.id)
    assert retried.history_start == retried.sequence == cancelled.sequence + 1
    await check_history(store, job.name, retried.sequence, retried.history_start)


async def test_a_request_id_is_forgotten_after_a_day(store: Store, clock: Clock) -> None:
    first = await store.create_job(new_job(), IdempotencyKey("request-1", "digest"))
    clock.advance(DAY_S - 60)
    await store.purge_history(1, 100)
    refused = None
    try:
        await store.create_job(new_job(), IdempotencyKey("request-1", "another"))
    except InvalidArgumentError as error:
        refused = error
    assert refused is not None
    clock.advance(120)
    await store.purge_history(1, 100)
    second = await store.create_job(new_job(), IdempotencyKey("request-1", "another"))
    assert second.id != first.id
