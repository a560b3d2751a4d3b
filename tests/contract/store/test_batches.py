"""Batches: what scans add, how their counts and states follow their files, and how they end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from batchscribe_server.domain.batch import BatchInput, Counts, ManifestEntry, ManifestInput, PrefixInput, SingleInput
from batchscribe_server.domain.errors import (
    AlreadyExistsError,
    BatchNotFoundError,
    EtagMismatchError,
    InvalidArgumentError,
    JobNotFoundError,
    LeaseLostError,
    NothingToRetryError,
    NotTerminalError,
    Reason,
)
from batchscribe_server.domain.event import BatchJobChanged, BatchProgressed, StateChanged
from batchscribe_server.domain.job import Failure, State
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.operations.run_store import Outcome
from batchscribe_server.operations.store import BatchChanges, IdempotencyKey, ListQuery, ScanChunk, Store
from batchscribe_server.operations.wakeups import QUEUE, Wakeups
from tests.contract.store.samples import (
    MEDIA,
    SOME_TIME,
    TENANT,
    Clock,
    all_jobs,
    check_history,
    claim_all,
    claim_one,
    delete_batch,
    details,
    new_batch,
    new_job,
    recount,
    running_job,
    scanned_batch,
    step,
    succeed,
)

BROKEN = Failure(Reason.DECODE_FAILED, "It cannot be decoded.")
UNREADABLE = Failure(Reason.SCAN_FAILED, "The folder cannot be read.")


@pytest.mark.parametrize(
    "given",
    [
        SingleInput("file:///a.wav"),
        PrefixInput("file:///in/", ("**/*.wav",), ("tmp/**",)),
        ManifestInput(
            (ManifestEntry("file:///a.wav", "r", RecognitionConfig(language="de")), ManifestEntry("media/1"))
        ),
    ],
)
async def test_a_batch_comes_back_as_it_was_given(store: Store, given: BatchInput) -> None:
    batch = new_batch(input=given, display_name="Calls", labels={"team": "sales"}, priority=2)
    created = await store.create_batch(batch)
    assert created == await store.get_batch(TENANT, batch.id)
    assert (created.input, created.labels, created.priority) == (given, {"team": "sales"}, 2)
    assert (created.state, created.sequence, created.scanned) == (State.INITIALIZING, 1, False)
    assert created.create_time > SOME_TIME
    assert await details(store, batch.name) == [StateChanged(State.INITIALIZING)]


async def test_ids_and_request_ids_are_kept_apart_from_those_of_jobs(store: Store) -> None:
    key = IdempotencyKey("request-1", "digest")
    job = await store.create_job(new_job("one"), key)
    batch = await store.create_batch(new_batch("one"), key)
    assert (job.id, batch.id) == ("one", "one")
    assert await store.create_batch(new_batch(), key) == batch
    with pytest.raises(InvalidArgumentError):
        await store.create_batch(new_batch(), IdempotencyKey("request-1", "another"))
    with pytest.raises(AlreadyExistsError):
        await store.create_batch(new_batch("one"))


async def test_a_scan_adds_jobs_with_its_cursor_and_the_batch_waits_in_the_queue(store: Store) -> None:
    batch = await store.create_batch(new_batch(priority=5))
    first = ScanChunk((new_job(ordinal=0), new_job(ordinal=1)), cursor="b.wav")
    after_first = await store.add_scanned(batch, first)
    assert (after_first.scan_cursor, after_first.state, after_first.counts.queued) == ("b.wav", State.INITIALIZING, 2)
    assert [found.id for found in await store.unscanned_batches()] == [batch.id]
    await store.add_scanned(batch, ScanChunk((new_job(ordinal=2),), cursor="c.wav"))
    done = await store.finish_scan(batch)
    assert (done.state, done.scanned, done.counts) == (State.QUEUED, True, Counts(total=3, queued=3))
    jobs = await all_jobs(store, batch.id)
    assert [(job.batch_id, job.priority, job.ordinal) for job in jobs] == [(batch.id, 5, n) for n in range(3)]
    assert await store.unscanned_batches() == []
    assert (await details(store, batch.name))[-1] == StateChanged(State.QUEUED)


async def test_a_batch_without_files_succeeds_when_its_scan_ends(store: Store) -> None:
    batch, _ = await scanned_batch(store, 0)
    assert (batch.state, batch.counts.progress) == (State.SUCCEEDED, 0.0)
    assert batch.finish_time is not None


async def test_a_batch_runs_from_its_first_file_to_its_last(store: Store) -> None:
    batch, jobs = await scanned_batch(store, 2)
    first = await claim_one(store)
    running = await store.get_batch(TENANT, batch.id)
    assert running.state is State.RUNNING
    assert running.start_time is not None
    await succeed(store, first)
    assert (await store.get_batch(TENANT, batch.id)).state is State.RUNNING
    second = await claim_one(store)
    await store.finish(second, Outcome(State.FAILED, error=BROKEN))
    ended = await store.get_batch(TENANT, batch.id)
    assert (ended.state, ended.counts.succeeded, ended.counts.failed) == (State.SUCCEEDED, 1, 1)
    assert ended.counts.progress == 1.0
    told = await details(store, batch.name)
    assert told[-1] == StateChanged(State.SUCCEEDED)
    assert [detail for detail in told if isinstance(detail, BatchJobChanged)][2:] == [
        BatchJobChanged(jobs[0].id, jobs[0].input_uri, State.RUNNING),
        BatchJobChanged(jobs[0].id, jobs[0].input_uri, State.SUCCEEDED),
        BatchJobChanged(jobs[1].id, jobs[1].input_uri, State.RUNNING),
        BatchJobChanged(jobs[1].id, jobs[1].input_uri, State.FAILED, BROKEN),
    ]
    await check_history(store, batch.name, ended.sequence, 1)


async def test_files_may_be_done_before_the_scan_is(store: Store) -> None:
    batch = await store.create_batch(new_batch())
    await store.add_scanned(batch, ScanChunk((new_job(),), cursor="a"))
    await succeed(store, await claim_one(store))
    assert (await store.get_batch(TENANT, batch.id)).state is State.INITIALIZING
    assert (await store.finish_scan(batch)).state is State.SUCCEEDED


async def test_counts_follow_the_audio_of_the_files(store: Store) -> None:
    batch, _ = await scanned_batch(store, 2)
    claims = await claim_all(store)
    await store.describe(claims[0], MEDIA, "base", "f")
    await store.advance(claims[0], step(0, processed_ms=4_000))
    counts = (await store.get_batch(TENANT, batch.id)).counts
    assert (counts.opened, counts.audio_total_ms, counts.audio_done_ms) == (1, 10_000, 4_000)
    await store.finish(claims[0], Outcome(State.FAILED, error=BROKEN))
    await succeed(store, claims[1], duration_ms=5_000)
    counts = (await store.get_batch(TENANT, batch.id)).counts
    assert (counts.opened, counts.audio_total_ms, counts.audio_done_ms) == (2, 15_000, 15_000)
    assert counts == recount(await all_jobs(store, batch.id))


async def test_progress_is_told_at_most_once_a_second_while_files_advance(store: Store, clock: Clock) -> None:
    batch, _ = await scanned_batch(store, 1)
    claim = await claim_one(store)
    await store.describe(claim, MEDIA, "base", "f")
    before = len(await details(store, batch.name))
    for index in range(5):
        await store.advance(claim, step(index))
    assert len(await details(store, batch.name)) == before
    clock.advance(1)
    await store.advance(claim, step(5))
    await store.advance(claim, step(6))
    told = (await details(store, batch.name))[before:]
    assert told == [BatchProgressed(Counts(total=1, running=1, opened=1, audio_total_ms=10_000, audio_done_ms=6_000))]
    assert (await store.get_batch(TENANT, batch.id)).counts.audio_done_ms == 7_000


async def test_progress_that_was_not_told_is_told_with_the_next_step_that_changes_nothing(
    store: Store, clock: Clock
) -> None:
    batch, _ = await scanned_batch(store, 1)
    claim = await claim_one(store)
    await store.describe(claim, MEDIA, "base", "f")
    await store.advance(claim, step(0))
    before = len(await details(store, batch.name))
    clock.advance(1)
    await store.advance(claim, replace(step(0), segments=(), progress_event=True))
    told = (await details(store, batch.name))[before:]
    assert told == [BatchProgressed(Counts(total=1, running=1, opened=1, audio_total_ms=10_000, audio_done_ms=1_000))]


async def test_cancelling_takes_the_queued_and_asks_the_running_to_stop(store: Store, wakeups: Wakeups) -> None:
    batch, jobs = await scanned_batch(store, 4)
    done, running = await store.claim("one", 2, 30)
    await succeed(store, done)
    with wakeups.listening(QUEUE) as queue:
        cancelled = await store.cancel_batch(TENANT, batch.id)
        assert queue.is_set()
    assert (cancelled.state, cancelled.cancel_requested) == (State.RUNNING, True)
    assert (cancelled.counts.succeeded, cancelled.counts.running, cancelled.counts.cancelled) == (1, 1, 2)
    assert (await store.renew("one", 30, [running.job.id])).cancel_requested == {running.job.id}
    assert await claim_all(store) == []
    await store.finish(running, Outcome(State.CANCELLED))
    ended = await store.get_batch(TENANT, batch.id)
    assert (ended.state, ended.counts) == (State.CANCELLED, recount(await all_jobs(store, batch.id)))
    assert (await details(store, batch.name))[-1] == StateChanged(State.CANCELLED)
    assert await store.cancel_batch(TENANT, batch.id) == ended
    assert {job.state for job in [await store.get_job(TENANT, job.id) for job in jobs[2:]]} == {State.CANCELLED}


async def test_a_cancelled_batch_whose_files_all_succeeded_has_succeeded(store: Store) -> None:
    batch, _ = await scanned_batch(store, 1)
    claim = await claim_one(store)
    await store.cancel_batch(TENANT, batch.id)
    await succeed(store, claim)
    assert (await store.get_batch(TENANT, batch.id)).state is State.SUCCEEDED


async def test_cancelling_ends_a_scan(store: Store) -> None:
    batch = await store.create_batch(new_batch())
    await store.add_scanned(batch, ScanChunk((new_job(),), cursor="a"))
    cancelled = await store.cancel_batch(TENANT, batch.id)
    assert cancelled.state is State.CANCELLED
    assert await store.add_scanned(batch, ScanChunk((new_job(),), cursor="b")) == cancelled
    assert await store.finish_scan(batch) == cancelled
    assert await store.unscanned_batches() == []
    assert len(await all_jobs(store, batch.id)) == 1


async def test_what_an_old_scan_finds_never_reaches_another_batch_of_the_same_id(store: Store) -> None:
    old = await store.create_batch(new_batch("calls-1"))
    await store.add_scanned(old, ScanChunk((new_job(),), cursor="a"))
    await delete_batch(store, TENANT, old.id)
    new = await store.create_batch(new_batch("calls-1"))
    with pytest.raises(BatchNotFoundError):
        await store.add_scanned(old, ScanChunk((new_job(),), cursor="b"))
    with pytest.raises(BatchNotFoundError):
        await store.finish_scan(old)
    with pytest.raises(BatchNotFoundError):
        await store.fail_batch(old, UNREADABLE)
    assert await store.get_batch(TENANT, new.id) == new
    assert await all_jobs(store, new.id) == []
    assert (await store.add_scanned(new, ScanChunk((new_job(),), cursor="a"))).counts.queued == 1


async def test_many_queued_files_are_cancelled_over_several_transactions(store: Store) -> None:
    batch, _ = await scanned_batch(store, 1201)
    cancelled = await store.cancel_batch(TENANT, batch.id)
    assert (cancelled.state, cancelled.counts) == (State.CANCELLED, Counts(total=1201, cancelled=1201))
    page = await store.list_jobs(ListQuery(TENANT, 1, batch_id=batch.id, states=(State.CANCELLED,)))
    assert page.total == 1201


async def test_a_cancellation_that_was_cut_off_still_takes_every_queued_file(store: Store, wakeups: Wakeups) -> None:
    batch, _ = await scanned_batch(store, 300)
    with wakeups.listening(batch.name) as changed:
        cancelling = asyncio.create_task(store.cancel_batch(TENANT, batch.id))
        async with asyncio.timeout(30):
            await changed.wait()
        cancelling.cancel()
        await asyncio.wait([cancelling])
    cut_off = await store.get_batch(TENANT, batch.id)
    assert (cut_off.cancel_requested, cut_off.counts.queued) == (True, 200)
    with wakeups.listening(QUEUE) as queue:
        while not (await store.get_batch(TENANT, batch.id)).state.terminal:
            queue.clear()
            assert await store.claim("one", 100, 30) == []
            assert queue.is_set()
    ended = await store.get_batch(TENANT, batch.id)
    assert (ended.state, ended.counts.cancelled) == (State.CANCELLED, 300)


async def test_a_batch_that_fails_as_a_whole_takes_its_files_along(store: Store) -> None:
    batch = await store.create_batch(new_batch())
    await store.add_scanned(batch, ScanChunk((new_job(ordinal=0), new_job(ordinal=1)), cursor="a"))
    claim = await claim_one(store)
    failed = await store.fail_batch(batch, UNREADABLE)
    assert (failed.state, failed.error) == (State.FAILED, UNREADABLE)
    assert failed.counts == Counts(total=2, cancelled=2)
    assert (await details(store, batch.name))[-1] == StateChanged(State.FAILED, error=UNREADABLE)
    assert (await store.renew("one", 30, [claim.job.id])).lost == {claim.job.id}
    with pytest.raises(LeaseLostError):
        await store.advance(claim, step(0))
    assert await store.unscanned_batches() == []
    with pytest.raises(NothingToRetryError):
        await store.retry_batch(TENANT, batch.id)
    with pytest.raises(NothingToRetryError):
        await store.retry_job(TENANT, claim.job.id)


async def test_a_deleted_batch_is_gone_with_its_files(store: Store) -> None:
    batch, jobs = await scanned_batch(store, 250)
    claim = await claim_one(store)
    await store.advance(claim, step(0))
    other = await store.create_job(new_job())
    await delete_batch(store, TENANT, batch.id)
    with pytest.raises(BatchNotFoundError):
        await store.get_batch(TENANT, batch.id)
    assert [job.id for job in await all_jobs(store)] == [other.id]
    for resource in (batch.name, jobs[0].name, jobs[-1].name):
        assert await store.read_events(resource, 0, 10) == []
    with pytest.raises(LeaseLostError):
        await store.advance(claim, step(1))
    with pytest.raises(BatchNotFoundError):
        await store.add_scanned(batch, ScanChunk((new_job(),), cursor="z"))


async def test_a_stale_etag_keeps_a_batch(store: Store) -> None:
    batch, _ = await scanned_batch(store, 1)
    await claim_one(store)
    with pytest.raises(EtagMismatchError):
        await delete_batch(store, TENANT, batch.id, etag=str(batch.sequence))
    with pytest.raises(EtagMismatchError):
        await store.update_batch(TENANT, batch.id, BatchChanges(display_name="x"), etag=str(batch.sequence))
    now = await store.get_batch(TENANT, batch.id)
    await delete_batch(store, TENANT, batch.id, etag=str(now.sequence))


async def test_an_update_changes_what_it_names_and_the_etag(store: Store) -> None:
    batch, _ = await scanned_batch(store, 1, display_name="old", labels={"a": "1"})
    updated = await store.update_batch(TENANT, batch.id, BatchChanges(display_name="new"), etag=str(batch.sequence))
    assert (updated.display_name, updated.labels) == ("new", {"a": "1"})
    assert updated.sequence > batch.sequence
    emptied = await store.update_batch(TENANT, batch.id, BatchChanges(labels={}))
    assert (emptied.display_name, emptied.labels) == ("new", {})
    await check_history(store, batch.name, emptied.sequence, 1)


async def test_a_new_priority_reaches_the_queued_files(store: Store) -> None:
    _, earlier = await scanned_batch(store, 1)
    batch, jobs = await scanned_batch(store, 2)
    await store.update_batch(TENANT, batch.id, BatchChanges(priority=9))
    claims = await store.claim("one", 2, 30)
    assert [claim.job.id for claim in claims] == [job.id for job in jobs]
    assert [claim.job.priority for claim in claims] == [9, 9]
    assert (await claim_one(store)).job.id == earlier[0].id


async def test_a_new_priority_reaches_the_files_that_run_and_stays_with_them(store: Store, wakeups: Wakeups) -> None:
    other = await running_job(store)
    batch, _ = await scanned_batch(store, 2)
    claim, ended = await claim_all(store)
    await succeed(store, ended)
    assert (await store.renew("one", 30, [claim.job.id])).priorities == {claim.job.id: 0}
    with wakeups.listening(QUEUE) as woken:
        await store.update_batch(TENANT, batch.id, BatchChanges(priority=9))
        async with asyncio.timeout(30):
            await woken.wait()
    report = await store.renew("one", 30, [claim.job.id, ended.job.id, other.job.id])
    assert report.priorities == {claim.job.id: 9, other.job.id: 0}
    await store.advance(claim, step(0))
    await store.release(claim)
    assert (await claim_one(store)).job.priority == 9
    assert (await store.get_job(TENANT, ended.job.id)).priority == 0


async def test_another_tenant_sees_no_batch(store: Store) -> None:
    batch, _ = await scanned_batch(store, 1)
    for call in (store.get_batch, store.cancel_batch, store.begin_delete_batch, store.retry_batch):
        with pytest.raises(BatchNotFoundError):
            await call("another", batch.id)
    with pytest.raises(BatchNotFoundError):
        await store.update_batch("another", batch.id, BatchChanges(priority=1))
    assert await store.get_batch(TENANT, batch.id) == batch


async def test_a_retried_batch_runs_its_failed_files_again(store: Store) -> None:
    batch, jobs = await scanned_batch(store, 3)
    with pytest.raises(NotTerminalError):
        await store.retry_batch(TENANT, batch.id)
    for claim in await claim_all(store):
        fails = claim.job.id == jobs[1].id
        await store.finish(claim, Outcome(State.FAILED, error=BROKEN) if fails else Outcome(State.SUCCEEDED))
    ended = await store.get_batch(TENANT, batch.id)
    retried = await store.retry_batch(TENANT, batch.id)
    assert (retried.state, retried.finish_time) == (State.QUEUED, None)
    assert (retried.counts.queued, retried.counts.succeeded, retried.counts.failed) == (1, 2, 0)
    assert retried.history_start == ended.sequence + 1
    assert (await details(store, batch.name))[0] == StateChanged(State.QUEUED)
    again = await claim_one(store)
    assert again.job.id == jobs[1].id
    await succeed(store, again)
    done = await store.get_batch(TENANT, batch.id)
    assert (done.state, done.counts.succeeded) == (State.SUCCEEDED, 3)
    await check_history(store, batch.name, done.sequence, done.history_start)
    with pytest.raises(NothingToRetryError):
        await store.retry_batch(TENANT, batch.id)


async def test_many_failed_files_are_retried_over_several_transactions(store: Store) -> None:
    batch, _ = await scanned_batch(store, 230)
    for claim in await claim_all(store):
        await store.finish(claim, Outcome(State.FAILED, error=BROKEN))
    retried = await store.retry_batch(TENANT, batch.id)
    assert retried.counts == Counts(total=230, queued=230)
    await check_history(store, batch.name, retried.sequence, retried.history_start)


async def test_a_retried_batch_runs_its_cancelled_files_again(store: Store) -> None:
    batch, _ = await scanned_batch(store, 3)
    await succeed(store, await claim_one(store))
    await store.finish(await claim_one(store), Outcome(State.FAILED, error=BROKEN))
    await store.cancel_batch(TENANT, batch.id)
    retried = await store.retry_batch(TENANT, batch.id)
    assert (retried.state, retried.cancel_requested) == (State.QUEUED, False)
    assert (retried.counts.queued, retried.counts.succeeded, retried.counts.finished) == (2, 1, 1)
    for claim in await claim_all(store):
        await succeed(store, claim)
    done = await store.get_batch(TENANT, batch.id)
    assert (done.state, done.counts.succeeded) == (State.SUCCEEDED, 3)


async def test_a_retried_file_makes_its_cancelled_batch_run_again(store: Store) -> None:
    batch, jobs = await scanned_batch(store, 2)
    await store.cancel_batch(TENANT, batch.id)
    await store.retry_job(TENANT, jobs[0].id)
    reopened = await store.get_batch(TENANT, batch.id)
    assert (reopened.state, reopened.cancel_requested) == (State.QUEUED, False)
    claim = await claim_one(store)
    assert claim.job.id == jobs[0].id
    await succeed(store, claim)
    assert (await store.get_batch(TENANT, batch.id)).state is State.SUCCEEDED


async def test_a_deleted_file_leaves_the_counts_and_may_end_its_batch(store: Store) -> None:
    batch, jobs = await scanned_batch(store, 2)
    await succeed(store, await claim_one(store))
    await store.delete_job(TENANT, jobs[1].id)
    ended = await store.get_batch(TENANT, batch.id)
    assert (ended.state, ended.counts) == (State.SUCCEEDED, recount(await all_jobs(store, batch.id)))
    assert ended.counts.total == 1
    with pytest.raises(JobNotFoundError):
        await store.get_job(TENANT, jobs[1].id)
    await check_history(store, batch.name, ended.sequence, 1)


async def test_a_repeated_request_with_a_chosen_id_gives_the_first_batch(store: Store) -> None:
    key = IdempotencyKey("11111111-1111-4111-8111-111111111111", "digest")
    first = await store.create_batch(new_batch("chosen"), key)
    assert await store.create_batch(new_batch("chosen"), key) == first
