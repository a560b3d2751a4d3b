"""What a batch reaches stores with is read when it is needed, and its end is plain where it can't be."""

from __future__ import annotations

from pathlib import Path

from batchscribe_server.domain.access import Profile, StorageAccess
from batchscribe_server.domain.batch import PrefixInput
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.recognition import OutputConfig
from batchscribe_server.operations.store import SealedAccess
from tests.contract.store.samples import new_batch, new_job
from tests.in_process_service import TENANT, in_process_service

UNREADABLE = SealedAccess(b"sealed with a key that is gone", holds_secrets=True)


async def test_a_file_whose_credentials_cannot_be_read_fails_and_says_so(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        job: Job = new_job(input_uri=service.audio("a.wav"), output=OutputConfig(uri=(tmp_path / "out").as_uri()))
        ended = await service.ended(await service.store.create_job(job, access=UNREADABLE))
    assert ended.state is State.FAILED
    assert ended.error is not None
    assert ended.error.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert "notice could not be written" in ended.warning


async def test_a_batch_whose_credentials_cannot_be_read_fails_as_a_whole(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        service.audio("in/a.wav")
        batch = new_batch(input=PrefixInput((tmp_path / "in").as_uri()))
        ended = await service.batch_ended(await service.store.create_batch(batch, access=UNREADABLE))
    assert ended.state is State.FAILED
    assert ended.error is not None
    assert ended.error.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert ended.counts.total == 0


async def test_an_output_that_cannot_be_written_fails_its_batch_before_any_file_is_heard(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        service.audio("in/a.wav")
        (tmp_path / "taken").touch()
        batch = new_batch(
            input=PrefixInput((tmp_path / "in").as_uri()),
            output=OutputConfig(uri=(tmp_path / "taken" / "out").as_uri()),
        )
        ended = await service.batch_ended(await service.store.create_batch(batch))
        assert not service.transcriber.requests
    assert ended.state is State.FAILED
    assert ended.error is not None
    assert ended.error.reason is Reason.OUTPUT_FAILED
    assert ended.counts.total == 0


async def test_a_profile_stays_with_its_batch(tmp_path: Path) -> None:
    """Here there is none of that name, which is seen where the storage is opened: it was read back."""
    async with in_process_service(tmp_path) as service:
        batch = new_batch(input=PrefixInput((tmp_path / "in").as_uri()))
        sealed = service.reach.sealed(StorageAccess(Profile("calls"), Profile("calls")))
        ended = await service.batch_ended(await service.store.create_batch(batch, access=sealed))
        assert await service.store.get_access(batch.name) is not None
    assert ended.tenant == TENANT
    assert ended.error is not None
    assert "'calls'" in ended.error.message
