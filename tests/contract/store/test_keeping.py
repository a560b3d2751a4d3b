"""How long results are kept, what ends a batch that has a report, and how deletion takes its course."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from batchscribe_server.domain.batch import Batch, ManifestEntry, ManifestInput, ManifestObjectInput, Report, Stage
from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.errors import (
    BatchNotFoundError,
    CredentialsDeletedError,
    JobNotFoundError,
    MediaNotFoundError,
    NotTerminalError,
    Reason,
)
from batchscribe_server.domain.event import StateChanged
from batchscribe_server.domain.job import Failure, Job, OutputFile, State
from batchscribe_server.domain.media import Media
from batchscribe_server.domain.recognition import OutputConfig, TranscriptFormat
from batchscribe_server.operations.run_store import Outcome
from batchscribe_server.operations.store import BatchChanges, ScanChunk, SealedAccess, Store
from batchscribe_server.operations.wakeups import DELETIONS, REPORTS, Wakeups
from tests.contract.store.samples import (
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
    scanned_batch,
    step,
    succeed,
)

DAY_S = 86_400
REPORTED = OutputConfig(uri="file:///out/", write_report=True)
SECRET = SealedAccess(b"sealed", holds_secrets=True)
BROKEN = Outcome(State.FAILED, error=Failure(Reason.DECODE_FAILED, "No."))
WRITTEN = Outcome(State.SUCCEEDED, outputs=(OutputFile(TranscriptFormat.JSON, "file:///out/a.json", 7),))


async def batch_with(store: Store, files: int, access: SealedAccess | None = None, **fields: Any) -> Batch:
    batch = await store.create_batch(new_batch(**fields), access=access)
    await store.add_scanned(batch, ScanChunk(tuple(new_job(ordinal=n) for n in range(files)), cursor="end"))
    return await store.finish_scan(batch)


# reports


async def test_a_batch_with_a_report_ends_when_that_is_written(store: Store, wakeups: Wakeups) -> None:
    batch = await batch_with(store, 2, SECRET, output=REPORTED)
    assert await store.unreported_batches(10) == []
    first, second = await claim_all(store)
    await succeed(store, first)
    with wakeups.listening(REPORTS) as woken:
        await succeed(store, second)
        assert woken.is_set()
    (due,) = await store.unreported_batches(10)
    assert (due.id, due.state, due.stage, due.finish_time) == (batch.id, State.RUNNING, Stage.WRITING, None)
    assert await store.get_access(batch.name) == SECRET.data
    with pytest.raises(NotTerminalError):
        await store.retry_batch(TENANT, batch.id)
    ended = await store.finish_report(due, "file:///out/r", "")
    assert (ended.state, ended.report_uri, ended.stage) == (State.SUCCEEDED, "file:///out/r", Stage.DONE)
    assert await store.get_access(batch.name) is None
    assert await store.unreported_batches(10) == []
    assert await store.finish_report(due, "file:///out/other", "late") == ended
    await check_history(store, batch.name, ended.sequence, 1)


async def test_a_report_of_what_changed_since_ends_nothing(store: Store) -> None:
    batch = await batch_with(store, 2, output=REPORTED)
    for claim in await claim_all(store):
        await store.finish(claim, BROKEN)
    (due,) = await store.unreported_batches(10)
    (retried, _) = await all_jobs(store, batch.id)
    await store.retry_job(TENANT, retried.id)
    assert await store.unreported_batches(10) == []
    running = await store.finish_report(due, "file:///out/r", "")
    assert (running.state, running.report, running.report_uri) == (State.RUNNING, Report.WANTED, "")
    await succeed(store, await claim_one(store))
    assert (await store.finish_report(due, "file:///out/r", "")).state is State.RUNNING
    (again,) = await store.unreported_batches(10)
    assert (await store.finish_report(again, "", "no room")).warning == "no room"


async def test_a_retried_batch_has_its_report_written_anew(store: Store) -> None:
    batch = await batch_with(store, 1, output=REPORTED)
    await store.finish(await claim_one(store), BROKEN)
    (due,) = await store.unreported_batches(10)
    await store.finish_report(due, "file:///out/r", "")
    retried = await store.retry_batch(TENANT, batch.id)
    assert (retried.report, retried.report_uri, retried.state) == (Report.WANTED, "", State.QUEUED)
    await succeed(store, await claim_one(store))
    (again,) = await store.unreported_batches(10)
    assert again.counts.succeeded == 1


@pytest.mark.parametrize("end", ["cancel", "fail", "empty"])
async def test_however_a_batch_ends_its_report_comes_first(store: Store, end: str) -> None:
    batch = await batch_with(store, 0 if end == "empty" else 2, output=REPORTED)
    if end == "cancel":
        await store.cancel_batch(TENANT, batch.id)
    if end == "fail":
        batch = await store.create_batch(new_batch(output=REPORTED))
        await store.fail_batch(batch, Failure(Reason.SCAN_FAILED, "No."))
    (due,) = [each for each in await store.unreported_batches(10) if each.id == batch.id]
    assert due.state is State.RUNNING
    ended = await store.finish_report(due, "file:///out/r", "")
    expected = {"cancel": State.CANCELLED, "fail": State.FAILED, "empty": State.SUCCEEDED}[end]
    assert ended.state is expected
    assert (await details(store, batch.name))[-1] == StateChanged(expected, error=ended.error)


async def test_the_jobs_of_a_batch_are_read_in_pages_and_in_order(store: Store) -> None:
    batch, jobs = await scanned_batch(store, 230)
    await scanned_batch(store, 3)
    pages = [page async for page in store.read_jobs(batch)]
    assert [len(page) for page in pages] == [100, 100, 30]
    assert [job.id for page in pages for job in page] == [job.id for job in jobs]


# retention


async def test_what_expired_goes_and_what_is_active_or_kept_stays(store: Store, clock: Clock) -> None:
    running = await store.create_job(new_job(retention_ms=1_000))
    claim = await claim_one(store)
    expired = [await store.create_job(new_job(retention_ms=1_000)) for _ in range(130)]
    later = await store.create_job(new_job(retention_ms=DAY_S * 1_000))
    for_ever = await store.create_job(new_job())
    for job in (*expired, later, for_ever):
        ended = await store.cancel_job(TENANT, job.id)
        kept = timedelta(milliseconds=job.retention_ms) if job.retention_ms else None
        assert ended.finish_time is not None
        assert ended.expire_time == (ended.finish_time + kept if kept else None)
    assert await store.expire_jobs(1_000) == 0
    clock.advance(60)
    assert await store.expire_jobs(120) == 120
    assert await store.expire_jobs(1_000) == 10
    assert {job.id for job in await all_jobs(store)} == {running.id, later.id, for_ever.id}
    assert await store.read_events(expired[0].name, 0, 10) == []
    await store.advance(claim, step(0))
    await succeed(store, claim)
    assert await store.expire_jobs(1_000) == 0
    clock.advance(60)
    assert await store.expire_jobs(1_000) == 1


async def test_an_expired_batch_is_marked_and_goes_with_its_jobs(store: Store, clock: Clock, wakeups: Wakeups) -> None:
    batch, jobs = await scanned_batch(store, 120, retention_ms=1_000)
    other, _ = await scanned_batch(store, 1, retention_ms=1_000)
    assert {job.expire_time for job in jobs} == {None}
    await store.cancel_batch(TENANT, batch.id)
    assert await store.expire_batches(10) == 0
    clock.advance(60)
    with wakeups.listening(DELETIONS) as woken:
        assert await store.expire_batches(10) == 1
        assert woken.is_set()
    assert await store.expire_batches(10) == 0
    (marked,) = await store.deletions(10)
    assert (marked.id, marked.deletion) == (batch.id, Deletion.EXPIRED)
    with pytest.raises(BatchNotFoundError):
        await store.retry_job(TENANT, jobs[0].id)
    with pytest.raises(BatchNotFoundError):
        await store.update_batch(TENANT, batch.id, BatchChanges(retention_ms=0))
    await store.remove_batch(batch)
    with pytest.raises(BatchNotFoundError):
        await store.get_batch(TENANT, batch.id)
    assert {job.batch_id for job in await all_jobs(store)} == {other.id}
    assert await store.deletions(10) == []


async def test_a_retried_batch_is_kept_until_it_has_ended_anew(store: Store, clock: Clock) -> None:
    batch = await batch_with(store, 1, retention_ms=1_000)
    await store.finish(await claim_one(store), BROKEN)
    clock.advance(60)
    retried = await store.retry_batch(TENANT, batch.id)
    assert retried.expire_time is None
    assert await store.expire_batches(10) == 0
    await succeed(store, await claim_one(store))
    ended = await store.get_batch(TENANT, batch.id)
    assert ended.finish_time is not None
    assert ended.expire_time == ended.finish_time + timedelta(seconds=1)


async def test_a_retried_job_is_kept_until_it_has_ended_anew(store: Store, clock: Clock) -> None:
    job = await store.create_job(new_job(retention_ms=1_000))
    await store.cancel_job(TENANT, job.id)
    clock.advance(60)
    assert (await store.retry_job(TENANT, job.id)).expire_time is None
    assert await store.expire_jobs(10) == 0


async def test_a_new_retention_counts_from_the_end(store: Store) -> None:
    batch = await batch_with(store, 0)
    assert batch.expire_time is None
    assert batch.finish_time is not None
    kept = await store.update_batch(TENANT, batch.id, BatchChanges(retention_ms=5_000))
    assert kept.expire_time == batch.finish_time + timedelta(seconds=5)
    assert (await store.update_batch(TENANT, batch.id, BatchChanges(retention_ms=0))).expire_time is None
    active = await batch_with(store, 1)
    assert (await store.update_batch(TENANT, active.id, BatchChanges(retention_ms=5_000))).expire_time is None


async def test_uploads_go_with_the_last_job_that_expired(store: Store, clock: Clock) -> None:
    for name in ("alone", "shared", "unrelated"):
        expire_time = SOME_TIME + timedelta(days=7)
        await store.create_media(Media(name, "a.wav", 1, "0" * 64, "/x", SOME_TIME, expire_time))
    await store.create_job(new_job(input_uri="media/shared"))
    batch = await store.create_batch(new_batch(retention_ms=1_000))
    chunk = tuple(new_job(input_uri=f"media/{name}") for name in ("alone", "shared"))
    await store.add_scanned(batch, ScanChunk(chunk, cursor="end"))
    await store.finish_scan(batch)
    await store.cancel_batch(TENANT, batch.id)
    clock.advance(60)
    await store.expire_batches(10)
    assert await store.unused_media(10) == []
    await store.remove_batch(batch)
    assert [media.id for media in await store.unused_media(10)] == ["alone"]
    await store.delete_media("alone")
    with pytest.raises(MediaNotFoundError):
        await store.get_media(TENANT, "alone")


async def test_uploads_go_with_the_last_job_that_is_deleted(store: Store) -> None:
    for name in ("shared", "single", "listed", "manifest", "to-come"):
        await store.create_media(Media(name, "a.wav", 1, "0" * 64, "/x", SOME_TIME, SOME_TIME + timedelta(days=7)))
    first, second, single, listed = [
        await store.create_job(new_job(input_uri=f"media/{name}")) for name in ("shared", "shared", "single", "to-come")
    ]
    batch = await store.create_batch(new_batch(input=ManifestObjectInput("media/manifest")))
    await store.add_scanned(batch, ScanChunk((new_job(input_uri="media/listed"),), cursor="end"))
    await store.finish_scan(batch)
    await store.create_batch(new_batch(input=ManifestInput((ManifestEntry("media/to-come"),))))

    async def gone() -> set[str]:
        return {media.id for media in await store.unused_media(10)}

    await store.delete_job(TENANT, first.id)
    await store.delete_job(TENANT, listed.id)
    assert await gone() == set()
    await store.delete_job(TENANT, second.id)
    await store.remove_jobs([single])
    assert await gone() == {"shared", "single"}
    await delete_batch(store, TENANT, batch.id)
    assert await gone() == {"shared", "single", "listed", "manifest"}


# deletion


async def test_a_batch_keeps_its_secrets_until_its_outputs_are_deleted(store: Store) -> None:
    batch = await batch_with(store, 2, SECRET, output=OutputConfig(uri="file:///out/", write_report=True))
    claim = await claim_one(store)
    await store.begin_delete_batch(TENANT, batch.id, deletion=Deletion.OUTPUTS)
    assert (await store.renew("one", 30, [claim.job.id])).cancel_requested == {claim.job.id}
    await store.cancel_batch(TENANT, batch.id)
    await store.finish(claim, WRITTEN)
    stopped = await store.get_batch(TENANT, batch.id)
    assert (stopped.counts.running, stopped.counts.queued, stopped.state.terminal) == (0, 0, False)
    assert await store.get_access(batch.name) == SECRET.data
    assert await store.unreported_batches(10) == []
    # Whoever asks for less later doesn't make it forget the outputs.
    again = await store.begin_delete_batch(TENANT, batch.id)
    assert again.deletion is Deletion.OUTPUTS
    (page,) = [page async for page in store.read_jobs(stopped)]
    await store.remove_jobs(page[:1])
    left = await store.get_batch(TENANT, batch.id)
    assert left.counts == recount(await all_jobs(store, batch.id))
    await store.remove_batch(batch)
    assert await store.get_access(batch.name) is None
    assert await store.deletions(10) == []


async def test_a_deletion_that_is_withdrawn_leaves_a_batch_that_ends(store: Store) -> None:
    batch = await batch_with(store, 1, SECRET)
    await store.begin_delete_batch(TENANT, batch.id, deletion=Deletion.OUTPUTS)
    await store.cancel_batch(TENANT, batch.id)
    assert not (await store.get_batch(TENANT, batch.id)).state.terminal
    marked = await store.get_batch(TENANT, batch.id)
    await store.withdraw_deletion(marked, "denied")
    ended = await store.get_batch(TENANT, batch.id)
    assert (ended.state, ended.warning, ended.deletion) == (State.CANCELLED, "denied", None)
    assert await store.get_access(batch.name) is None
    assert await store.deletions(10) == []


async def test_a_job_whose_outputs_are_deleted_keeps_its_batch_from_ending(store: Store) -> None:
    batch = await batch_with(store, 1, SECRET)
    claim = await claim_one(store)
    marked = await store.begin_delete_job(TENANT, claim.job.id)
    assert (await store.renew("one", 30, [claim.job.id])).cancel_requested == {claim.job.id}
    await store.finish(claim, WRITTEN)
    assert (await store.get_batch(TENANT, batch.id)).state is State.RUNNING
    assert await store.get_access(batch.name) == SECRET.data
    with pytest.raises(JobNotFoundError):
        await store.retry_job(TENANT, marked.id)
    assert [each.id for each in await store.deletions(10)] == [marked.id]
    await store.remove_jobs([marked])
    ended = await store.get_batch(TENANT, batch.id)
    assert (ended.state, ended.counts.total) == (State.SUCCEEDED, 0)
    assert await store.get_access(batch.name) is None


@pytest.mark.parametrize("of_batch", [True, False])
async def test_a_job_whose_outputs_could_not_be_deleted_stays(store: Store, of_batch: bool) -> None:
    if of_batch:
        owner = (await batch_with(store, 1, SECRET)).name
    else:
        owner = (await store.create_job(new_job(), access=SECRET)).name
    claim = await claim_one(store)
    marked: Job = await store.begin_delete_job(TENANT, claim.job.id)
    await store.finish(claim, WRITTEN)
    assert await store.get_access(owner) == SECRET.data
    await store.withdraw_deletion(marked, "denied")
    job = await store.get_job(TENANT, marked.id)
    assert job.sequence > marked.sequence
    await check_history(store, job.name, job.sequence, 1)
    assert (job.state, job.warning, job.deletion, job.outputs) == (
        State.SUCCEEDED,
        "denied",
        None,
        WRITTEN.outputs,
    )
    assert await store.get_access(owner) is None
    if of_batch:
        assert (await store.get_batch(TENANT, job.batch_id)).state is State.SUCCEEDED


async def test_outputs_are_not_deleted_without_the_secrets_they_need(store: Store) -> None:
    batch = await batch_with(store, 1, SECRET)
    single = await store.create_job(new_job(), access=SECRET)
    for claim in await claim_all(store):
        await store.finish(claim, WRITTEN)
    (job,) = await all_jobs(store, batch.id)
    with pytest.raises(CredentialsDeletedError, match="the record alone"):
        await store.begin_delete_batch(TENANT, batch.id, deletion=Deletion.OUTPUTS)
    for job_id in (job.id, single.id):
        with pytest.raises(CredentialsDeletedError):
            await store.begin_delete_job(TENANT, job_id)
    assert await store.deletions(10) == []
    await delete_batch(store, TENANT, batch.id)


async def test_a_deletion_that_was_cut_off_is_found_again(store: Store) -> None:
    batch, _ = await scanned_batch(store, 3)
    await store.begin_delete_batch(TENANT, batch.id)
    assert [each.id for each in await store.deletions(10)] == [batch.id]
    assert await claim_all(store) == []
    with pytest.raises(BatchNotFoundError):
        await store.begin_delete_batch("another", batch.id)
    await store.remove_batch(batch)
    assert await all_jobs(store) == []


async def test_what_took_the_name_of_a_deleted_batch_is_left_alone_by_whoever_comes_late(store: Store) -> None:
    """Two replicas may be deleting or reporting the same batch when the first of them frees its name."""
    old = await batch_with(store, 1, batch_id="again", output=REPORTED)
    for claim in await claim_all(store):
        await store.finish(claim, WRITTEN)
    (due,) = await store.unreported_batches(10)
    await delete_batch(store, TENANT, old.id)
    new = await batch_with(store, 2, batch_id="again", output=REPORTED)
    for late in (
        store.remove_batch(old),
        store.withdraw_deletion(old, "denied"),
        store.finish_report(due, "file:///out/r", ""),
        store.cancel_batch(TENANT, old.id, old.create_time),
        anext(store.read_jobs(old)),
    ):
        with pytest.raises(BatchNotFoundError):
            await late
    found = await store.get_batch(TENANT, new.id)
    assert found == new
    assert len(await all_jobs(store, new.id)) == 2
    await check_history(store, new.name, new.sequence, 1)
    await store.cancel_batch(TENANT, new.id, new.create_time)
    (reported,) = await store.unreported_batches(10)
    assert (await store.finish_report(reported, "file:///out/r", "")).state is State.CANCELLED


async def test_what_took_the_name_of_a_deleted_job_is_left_alone_by_whoever_comes_late(store: Store) -> None:
    await store.create_job(new_job("again"))
    await store.finish(await claim_one(store), WRITTEN)
    old = await store.begin_delete_job(TENANT, "again")
    await store.remove_jobs([old])
    new = await store.create_job(new_job("again"))
    await store.remove_jobs([old])
    with pytest.raises(JobNotFoundError):
        await store.withdraw_deletion(old, "denied")
    assert await store.get_job(TENANT, "again") == new
