"""Jobs as clients see them."""

from __future__ import annotations

import pytest

from batchscribe_server.domain.errors import (
    AlreadyExistsError,
    EtagMismatchError,
    InvalidArgumentError,
    JobNotFoundError,
    LeaseLostError,
    NothingToRetryError,
    NotTerminalError,
    Reason,
)
from batchscribe_server.domain.event import StateChanged
from batchscribe_server.domain.job import Failure, State
from batchscribe_server.domain.recognition import (
    Decoding,
    OutputConfig,
    OutputLayout,
    RecognitionConfig,
    Task,
    TranscriptFormat,
    VoiceActivity,
)
from batchscribe_server.operations.run_store import Outcome
from batchscribe_server.operations.store import IdempotencyKey, Store
from batchscribe_server.operations.wakeups import QUEUE, Wakeups
from tests.contract.store.samples import (
    SOME_TIME,
    TENANT,
    all_jobs,
    check_history,
    claim_all,
    claim_one,
    details,
    new_job,
    running_job,
    scanned_batch,
    step,
    succeed,
)

BROKEN = Failure(Reason.DECODE_FAILED, "It cannot be decoded.")


async def test_a_job_comes_back_as_it_was_given_with_the_times_of_the_store(store: Store) -> None:
    job = new_job(
        relative_path="a/ü.wav",
        display_name="A call",
        reference_id="crm-1",
        labels={"team": "sales", "empty": ""},
        priority=3,
        ordinal=7,
        config=RecognitionConfig(
            language="de",
            task=Task.TRANSLATE,
            hotwords=("batchscribe",),
            decoding=Decoding(temperatures=(0.0, 0.2)),
            voice_activity=VoiceActivity(threshold=0.3, min_silence_ms=100),
        ),
        output=OutputConfig(layout=OutputLayout.ADJACENT, formats=(TranscriptFormat.SRT, TranscriptFormat.JSON)),
    )
    created = await store.create_job(job)
    assert created == await store.get_job(TENANT, job.id)
    assert created.create_time == created.update_time > SOME_TIME
    for field in ("relative_path", "display_name", "reference_id", "labels", "priority", "ordinal", "config", "output"):
        assert getattr(created, field) == getattr(job, field)


async def test_a_new_job_is_queued_has_one_event_and_wakes_the_queue(store: Store, wakeups: Wakeups) -> None:
    with wakeups.listening(QUEUE) as queue:
        job = await store.create_job(new_job())
        assert queue.is_set()
    assert (job.state, job.sequence) == (State.QUEUED, 1)
    (event,) = await store.read_events(job.name, 0, 10)
    assert (event.resource, event.sequence, event.detail) == (job.name, 1, StateChanged(State.QUEUED))
    assert event.time == job.create_time


async def test_a_taken_id_is_refused_and_changes_nothing(store: Store) -> None:
    job = await store.create_job(new_job(display_name="first"))
    with pytest.raises(AlreadyExistsError):
        await store.create_job(new_job(job.id, tenant="another", display_name="second"))
    assert await store.get_job(TENANT, job.id) == job
    await check_history(store, job.name, 1, 1)


async def test_a_repeated_request_gives_the_first_job(store: Store) -> None:
    key = IdempotencyKey("request-1", "digest")
    first = await store.create_job(new_job(), key)
    again = await store.create_job(new_job(), key)
    assert again == first
    assert [job.id for job in await all_jobs(store)] == [first.id]


async def test_a_request_id_belongs_to_its_tenant(store: Store) -> None:
    key = IdempotencyKey("request-1", "digest")
    mine = await store.create_job(new_job(), key)
    theirs = await store.create_job(new_job(tenant="another"), key)
    assert theirs.id != mine.id


async def test_a_request_id_with_another_body_is_refused(store: Store) -> None:
    await store.create_job(new_job(), IdempotencyKey("request-1", "digest"))
    with pytest.raises(InvalidArgumentError) as refused:
        await store.create_job(new_job(), IdempotencyKey("request-1", "another"))
    assert [violation.field for violation in refused.value.violations] == ["request_id"]


async def test_a_refused_job_does_not_use_its_request_id_up(store: Store) -> None:
    taken = await store.create_job(new_job())
    key = IdempotencyKey("request-1", "digest")
    with pytest.raises(AlreadyExistsError):
        await store.create_job(new_job(taken.id), key)
    second = await store.create_job(new_job(), key)
    assert second.id != taken.id


async def test_another_tenant_sees_no_job(store: Store) -> None:
    job = await store.create_job(new_job())
    for call in (store.get_job, store.cancel_job, store.delete_job, store.retry_job):
        with pytest.raises(JobNotFoundError):
            await call("another", job.id)
    assert await store.get_job(TENANT, job.id) == job


async def test_a_queued_job_is_cancelled_at_once(store: Store) -> None:
    job = await store.create_job(new_job())
    cancelled = await store.cancel_job(TENANT, job.id)
    assert cancelled.state is State.CANCELLED
    assert cancelled.finish_time is not None
    assert cancelled == await store.get_job(TENANT, job.id)
    assert (await details(store, job.name))[-1] == StateChanged(State.CANCELLED)
    assert await claim_all(store) == []


async def test_a_running_job_is_asked_to_stop(store: Store, wakeups: Wakeups) -> None:
    claim = await running_job(store)
    with wakeups.listening(QUEUE) as queue:
        asked = await store.cancel_job(TENANT, claim.job.id)
        assert queue.is_set()
    assert (asked.state, asked.cancel_requested) == (State.RUNNING, True)
    report = await store.renew("one", 30, [claim.job.id])
    assert report.cancel_requested == {claim.job.id}
    ended = await store.finish(claim, Outcome(State.CANCELLED))
    assert ended.state is State.CANCELLED


async def test_a_finished_job_comes_back_from_cancel_unchanged(store: Store) -> None:
    done = await succeed(store, await running_job(store))
    assert await store.cancel_job(TENANT, done.id) == done


async def test_a_deleted_job_is_gone_with_its_events_and_segments(store: Store) -> None:
    claim = await running_job(store)
    await store.advance(claim, step(0))
    done = await succeed(store, claim)
    await store.delete_job(TENANT, done.id)
    with pytest.raises(JobNotFoundError):
        await store.get_job(TENANT, done.id)
    assert await store.read_events(done.name, 0, 10) == []
    assert [heard async for heard in store.read_segments(done.id)] == []


async def test_a_job_deleted_while_it_runs_loses_its_lease(store: Store, wakeups: Wakeups) -> None:
    claim = await running_job(store)
    with wakeups.listening(QUEUE) as queue, wakeups.listening(claim.job.name) as watcher:
        await store.delete_job(TENANT, claim.job.id)
        assert queue.is_set()
        assert watcher.is_set()
    report = await store.renew("one", 30, [claim.job.id])
    assert report.lost == {claim.job.id}
    with pytest.raises(LeaseLostError):
        await store.advance(claim, step(0))
    with pytest.raises(LeaseLostError):
        await succeed(store, claim)
    assert await store.read_events(claim.job.name, 0, 10) == []


async def test_a_stale_etag_keeps_a_job(store: Store) -> None:
    job = await store.create_job(new_job())
    await claim_one(store)
    with pytest.raises(EtagMismatchError):
        await store.delete_job(TENANT, job.id, etag=str(job.sequence))
    now = await store.get_job(TENANT, job.id)
    await store.delete_job(TENANT, job.id, etag=str(now.sequence))
    with pytest.raises(JobNotFoundError):
        await store.get_job(TENANT, job.id)


async def test_a_retried_job_begins_anew_with_a_history_of_its_own(store: Store) -> None:
    claim = await running_job(store)
    await store.advance(claim, step(0))
    failed = await store.finish(claim, Outcome(State.FAILED, error=BROKEN, audio_duration_ms=10_000))
    retried = await store.retry_job(TENANT, failed.id)
    assert (retried.state, retried.error, retried.finish_time, retried.start_time) == (State.QUEUED, None, None, None)
    assert (retried.segments, retried.media_segments_done, retried.processed_ms) == (0, 0, 0)
    assert (retried.stalled_attempts, retried.attempt) == (0, 1)
    assert retried.history_start == retried.sequence == failed.sequence + 1
    (event,) = await store.read_events(failed.name, 0, 100)
    assert (event.sequence, event.detail) == (retried.sequence, StateChanged(State.QUEUED, attempt=1))
    assert [heard async for heard in store.read_segments(failed.id)] == []
    again = await claim_one(store)
    assert (again.job.id, again.job.attempt) == (failed.id, 2)
    await store.advance(again, step(0))


async def test_only_what_failed_or_was_cancelled_is_retried(store: Store) -> None:
    queued = await store.create_job(new_job())
    with pytest.raises(NotTerminalError):
        await store.retry_job(TENANT, queued.id)
    claim = await claim_one(store)
    with pytest.raises(NotTerminalError):
        await store.retry_job(TENANT, queued.id)
    await succeed(store, claim)
    with pytest.raises(NothingToRetryError):
        await store.retry_job(TENANT, queued.id)
    cancelled = await store.create_job(new_job())
    await store.cancel_job(TENANT, cancelled.id)
    retried = await store.retry_job(TENANT, cancelled.id)
    assert (retried.state, retried.cancel_requested) == (State.QUEUED, False)


async def test_a_repeated_request_with_a_chosen_id_gives_the_first_job(store: Store) -> None:
    key = IdempotencyKey("11111111-1111-4111-8111-111111111111", "digest")
    first = await store.create_job(new_job("chosen"), key)
    assert await store.create_job(new_job("chosen"), key) == first


async def test_a_place_in_the_queue_is_the_place_in_the_order_of_claims(store: Store) -> None:
    for priority, ordinal in ((0, 0), (5, 0), (0, 3), (5, 1), (-1, 0), (0, 0)):
        await store.create_job(new_job(priority=priority, ordinal=ordinal))
    jobs = await all_jobs(store)
    places = {job.id: await store.queue_position(job) for job in jobs}
    claimed = [(await claim_one(store)).job for _ in jobs]
    assert [places[job.id] for job in claimed] == [1, 2, 3, 4, 5, 6]
    assert await store.queue_position(claimed[-1]) == 0


async def test_a_place_in_the_queue_counts_the_turns_of_others(store: Store) -> None:
    """Turns go round: a large batch counts for no more than the newcomer's own place in its line."""
    _, large = await scanned_batch(store, 50)
    _, small = await scanned_batch(store, 2)
    await scanned_batch(store, 3, tenant="another")
    lone = [await store.create_job(new_job()) for _ in range(3)]
    assert await store.queue_position(lone[0]) == 3 + 3
    assert await store.queue_position(lone[2]) == 3 + 3 + 2 + 3
    assert await store.queue_position(large[-1]) == 50 + 2 + 3 + 3
    assert await store.queue_position(small[1]) == 2 + 2 + 2 + 3
