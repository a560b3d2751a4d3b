"""What batches and jobs reach object stores with: kept while it is needed, and its secrets no longer."""

from __future__ import annotations

import pytest

from batchscribe_server.domain.deletion import Deletion
from batchscribe_server.domain.errors import CredentialsDeletedError, Reason
from batchscribe_server.domain.job import Failure, Job, State
from batchscribe_server.operations.run_store import Outcome
from batchscribe_server.operations.store import IdempotencyKey, ScanChunk, SealedAccess, Store
from tests.contract.store.samples import TENANT, claim_all, claim_one, delete_batch, new_batch, new_job

SECRET = SealedAccess(b"\x00sealed secret\xff", holds_secrets=True)
SECRET_INPUT = SealedAccess(b"sealed secret", holds_secrets=True, remaining=b"sealed rest")
PROFILE = SealedAccess(b"sealed profile", holds_secrets=False)
BROKEN = Outcome(State.FAILED, error=Failure(Reason.BUCKET_READ_DENIED, "No."))


async def batch_of_two(store: Store, access: SealedAccess | None) -> tuple[str, list[Job]]:
    batch = await store.create_batch(new_batch(), access=access)
    jobs = [new_job(ordinal=ordinal) for ordinal in range(2)]
    await store.add_scanned(batch, ScanChunk(tuple(jobs), cursor="end"))
    await store.finish_scan(batch)
    return batch.id, jobs


async def test_what_came_without_has_none(store: Store) -> None:
    batch = await store.create_batch(new_batch())
    assert await store.get_access(batch.name) is None
    assert await store.get_access("batches/none") is None


async def test_a_batch_keeps_its_secrets_until_its_last_file_ends(store: Store) -> None:
    batch_id, _ = await batch_of_two(store, SECRET)
    first, second = await claim_all(store)
    await store.finish(first, Outcome(State.SUCCEEDED))
    assert await store.get_access(f"batches/{batch_id}") == SECRET.data
    await store.finish(second, BROKEN)
    assert (await store.get_batch(TENANT, batch_id)).state is State.SUCCEEDED
    assert await store.get_access(f"batches/{batch_id}") is None


@pytest.mark.parametrize("end", ["cancel", "fail"])
async def test_however_a_batch_ends_its_secrets_go(store: Store, end: str) -> None:
    batch_id, _ = await batch_of_two(store, SECRET)
    if end == "cancel":
        await store.cancel_batch(TENANT, batch_id)
    else:
        await store.fail_batch(await store.get_batch(TENANT, batch_id), Failure(Reason.SCAN_FAILED, "No."))
    assert await store.get_access(f"batches/{batch_id}") is None


async def test_a_single_job_keeps_its_secrets_until_it_ends(store: Store) -> None:
    job = await store.create_job(new_job(), access=SECRET)
    claim = await claim_one(store)
    assert await store.get_access(job.name) == SECRET.data
    await store.finish(claim, BROKEN)
    assert await store.get_access(job.name) is None


async def test_a_job_given_back_keeps_its_secrets(store: Store) -> None:
    job = await store.create_job(new_job(), access=SECRET)
    await store.release(await claim_one(store))
    assert await store.get_access(job.name) == SECRET.data


async def test_what_holds_no_secrets_stays_and_can_be_run_again(store: Store) -> None:
    batch_id, jobs = await batch_of_two(store, PROFILE)
    for claim in await claim_all(store):
        await store.finish(claim, BROKEN)
    assert await store.get_access(f"batches/{batch_id}") == PROFILE.data
    await store.retry_batch(TENANT, batch_id)
    assert (await store.get_job(TENANT, jobs[0].id)).state is State.QUEUED


async def test_nothing_runs_again_without_the_secrets_it_needs(store: Store) -> None:
    batch_id, jobs = await batch_of_two(store, SECRET)
    single = await store.create_job(new_job(), access=SECRET)
    for claim in await claim_all(store):
        await store.finish(claim, BROKEN)
    with pytest.raises(CredentialsDeletedError):
        await store.retry_batch(TENANT, batch_id)
    with pytest.raises(CredentialsDeletedError):
        await store.retry_job(TENANT, jobs[1].id)
    with pytest.raises(CredentialsDeletedError):
        await store.retry_job(TENANT, single.id)
    assert (await store.get_batch(TENANT, batch_id)).state is State.SUCCEEDED
    assert (await store.get_job(TENANT, single.id)).state is State.FAILED


async def test_what_is_left_of_secrets_reaches_outputs_and_runs_nothing(store: Store) -> None:
    batch_id, jobs = await batch_of_two(store, SECRET_INPUT)
    assert await store.get_access(f"batches/{batch_id}") == SECRET_INPUT.data
    for claim in await claim_all(store):
        await store.finish(claim, BROKEN)
    assert await store.get_access(f"batches/{batch_id}") == SECRET_INPUT.remaining
    with pytest.raises(CredentialsDeletedError):
        await store.retry_batch(TENANT, batch_id)
    await store.begin_delete_job(TENANT, jobs[0].id)
    await store.begin_delete_batch(TENANT, batch_id, deletion=Deletion.OUTPUTS)


async def test_outputs_that_need_secrets_are_not_deleted_without_them(store: Store) -> None:
    batch_id, jobs = await batch_of_two(store, SECRET)
    for claim in await claim_all(store):
        await store.finish(claim, BROKEN)
    with pytest.raises(CredentialsDeletedError):
        await store.begin_delete_job(TENANT, jobs[0].id)
    with pytest.raises(CredentialsDeletedError):
        await store.begin_delete_batch(TENANT, batch_id, deletion=Deletion.OUTPUTS)


async def test_a_file_of_a_batch_that_still_runs_can_be_run_again(store: Store) -> None:
    batch_id, _ = await batch_of_two(store, SECRET)
    first, _second = await claim_all(store)
    await store.finish(first, BROKEN)
    await store.retry_job(TENANT, first.job.id)
    assert await store.get_access(f"batches/{batch_id}") == SECRET.data


async def test_deleting_leaves_nothing_and_the_id_can_be_used_again(store: Store) -> None:
    batch_id, _ = await batch_of_two(store, PROFILE)
    await delete_batch(store, TENANT, batch_id)
    job = await store.create_job(new_job(), access=SECRET)
    await store.delete_job(TENANT, job.id)
    assert await store.get_access(f"batches/{batch_id}") is None
    assert await store.get_access(job.name) is None
    await store.create_batch(new_batch(batch_id))
    assert await store.get_access(f"batches/{batch_id}") is None


async def test_a_repeated_request_keeps_the_first_access(store: Store) -> None:
    key = IdempotencyKey("0b7f5a43-6f0e-4c59-9d0a-7f1d5ed0a9d2", "digest")
    first = await store.create_job(new_job(), key, SECRET)
    second = await store.create_job(new_job(), key, SECRET)
    assert second.id == first.id
    assert await store.get_access(first.name) == SECRET.data
