"""Jobs and batches that wait for a store which does not answer: who claims them when, and what is told of them."""

from __future__ import annotations

from dataclasses import replace

from batchscribe_server.domain.batch import Report
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.event import BatchJobChanged, StateChanged
from batchscribe_server.domain.job import Failure, Job, JobStage, State, Transcribed, Waiting
from batchscribe_server.domain.recognition import OutputConfig
from batchscribe_server.operations.run_store import Claim
from batchscribe_server.operations.store import Store
from tests.contract.store.samples import (
    MEDIA,
    SOME_TIME,
    TENANT,
    Clock,
    all_jobs,
    claim_all,
    claim_one,
    details,
    new_batch,
    new_job,
    recount,
    running_job,
    scanned_batch,
    step,
    succeed,
)

AWAY = Failure(Reason.FETCH_FAILED, "s3://calls/a.wav: the object store cannot be reached")
WAITING = Waiting(AWAY, SOME_TIME)
PAUSE_S = 60.0


async def put_off(store: Store, claim: Claim, waiting: Waiting = WAITING) -> Job:
    await store.put_off(claim, waiting, PAUSE_S)
    return await store.get_job(TENANT, claim.job.id)


async def test_a_job_is_claimed_again_once_its_pause_is_over_and_has_spent_no_attempt(
    store: Store, clock: Clock
) -> None:
    claim = await running_job(store)
    waiting = await put_off(store, claim)
    assert (waiting.state, waiting.attempt, waiting.stalled_attempts) == (State.QUEUED, 0, 0)
    assert waiting.waiting == WAITING
    assert await claim_all(store) == []
    clock.advance(PAUSE_S - 1)
    assert await claim_all(store) == []
    clock.advance(1)
    again = await claim_one(store)
    assert (again.job.id, again.job.attempt, again.job.waiting) == (claim.job.id, 1, WAITING)
    assert again.job.not_before is None
    ended = await succeed(store, again)
    assert (ended.waiting, ended.not_before) == (None, None)


async def test_watchers_of_the_job_and_of_its_batch_are_told_why_it_waits(store: Store) -> None:
    batch, _ = await scanned_batch(store, 1)
    claim = await claim_one(store)
    await put_off(store, claim)
    assert StateChanged(State.QUEUED, 0, AWAY) == (await details(store, claim.job.name))[-1]
    told = BatchJobChanged(claim.job.id, claim.job.input_uri, State.QUEUED, AWAY)
    assert told in await details(store, batch.name)
    assert (await store.get_job(TENANT, claim.job.id)).error is None


async def test_what_was_transcribed_is_kept_for_the_run_that_writes_it(store: Store, clock: Clock) -> None:
    claim = await running_job(store)
    await store.advance(claim, step(0))
    done = replace(WAITING, transcribed=Transcribed(10_000, ("a corrupt tail",)))
    await put_off(store, claim, done)
    clock.advance(PAUSE_S)
    again = await claim_one(store)
    assert again.job.waiting == done
    assert (again.job.stage, again.job.segments, again.job.media) == (JobStage.WRITING, 1, MEDIA)


async def test_a_file_that_could_be_opened_waits_no_more(store: Store, clock: Clock) -> None:
    await store.create_job(new_job())
    await put_off(store, await claim_one(store))
    clock.advance(PAUSE_S)
    claim = await claim_one(store)
    await store.describe(claim, MEDIA, "base", "fingerprint")
    assert (await store.get_job(TENANT, claim.job.id)).waiting is None


async def test_a_waiting_job_is_cancelled_at_once_and_runs_no_more(store: Store, clock: Clock) -> None:
    claim = await running_job(store)
    await put_off(store, claim)
    cancelled = await store.cancel_job(TENANT, claim.job.id)
    assert (cancelled.state, cancelled.waiting, cancelled.not_before) == (State.CANCELLED, None, None)
    clock.advance(PAUSE_S)
    assert await claim_all(store) == []


async def test_a_job_that_was_asked_to_stop_does_not_wait(store: Store) -> None:
    claim = await running_job(store)
    await store.cancel_job(TENANT, claim.job.id)
    assert (await put_off(store, claim)).state is State.CANCELLED


async def test_a_retried_job_waits_for_nothing(store: Store) -> None:
    claim = await running_job(store)
    await put_off(store, claim)
    await store.cancel_job(TENANT, claim.job.id)
    assert (await store.retry_job(TENANT, claim.job.id)).waiting is None
    assert (await claim_one(store)).job.id == claim.job.id


async def test_waiting_outlives_the_server(store: Store) -> None:
    await put_off(store, await running_job(store))
    assert await store.recover(3, exclusive_owner=True) == 0
    assert await claim_all(store) == []


async def test_files_that_wait_take_no_turn_of_others(store: Store, clock: Clock) -> None:
    """Neither of their own batch nor of others, and are counted as queued."""
    stuck, jobs = await scanned_batch(store, 6)
    for claim in await store.claim("one", 4, 30):
        await put_off(store, claim)
    other, _ = await scanned_batch(store, 6)
    claims = await store.claim("one", 4, 30)
    assert [claim.job.batch_id for claim in claims] == [stuck.id, other.id] * 2
    assert {claim.job.id for claim in claims if claim.job.batch_id == stuck.id} == {jobs[4].id, jobs[5].id}
    third, _ = await scanned_batch(store, 6)
    assert {claim.job.batch_id for claim in await store.claim("one", 3, 30)} == {other.id, third.id}
    for batch in (stuck, other, third):
        counts = (await store.get_batch(TENANT, batch.id)).counts
        assert counts == recount(await all_jobs(store, batch.id))
    clock.advance(PAUSE_S)
    assert {claim.job.id for claim in await claim_all(store) if claim.job.batch_id == stuck.id} == {
        job.id for job in jobs[:4]
    }


async def test_a_batch_of_which_all_files_wait_has_not_ended_and_is_cancelled_whole(store: Store) -> None:
    batch, _ = await scanned_batch(store, 2)
    for claim in await claim_all(store):
        await put_off(store, claim)
    assert (await store.get_batch(TENANT, batch.id)).state is State.RUNNING
    ended = await store.cancel_batch(TENANT, batch.id)
    assert (ended.state, ended.counts.cancelled) == (State.CANCELLED, 2)


async def test_a_scan_waits_until_it_gets_on(store: Store) -> None:
    batch = await store.create_batch(new_batch())
    await store.put_off_batch(batch, WAITING, PAUSE_S)
    (waiting,) = await store.unscanned_batches()
    assert waiting.waiting == WAITING
    assert waiting.not_before is not None
    assert (waiting.not_before - waiting.update_time).total_seconds() == PAUSE_S
    scanned = await store.finish_scan(waiting)
    assert (scanned.waiting, scanned.not_before) == (None, None)


async def test_reports_that_wait_come_after_those_that_do_not(store: Store) -> None:
    output = OutputConfig(uri="file:///out/", write_report=True)
    first, second = [(await scanned_batch(store, 1, output=output))[0] for _ in range(2)]
    for claim in await claim_all(store):
        await succeed(store, claim)
    due = await store.get_batch(TENANT, first.id)
    assert due.report is Report.DUE
    await store.put_off_batch(due, WAITING, PAUSE_S)
    assert [batch.id for batch in await store.unreported_batches(2)] == [second.id, first.id]
    waiting = await store.get_batch(TENANT, first.id)
    ended = await store.finish_report(waiting, "file:///out/report.jsonl", "")
    assert (ended.state, ended.waiting) == (State.SUCCEEDED, None)
