"""Tell who speaks when in a job's file, beside its recognition."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from batchscribe_server.domain.job import Job
from batchscribe_server.operations.diarizer import DiarizationFailure, DiarizationRequest, Diarizer
from batchscribe_server.operations.places import Place
from batchscribe_server.operations.run_store import Claim
from batchscribe_server.operations.storage import LocalInput
from batchscribe_server.operations.store import Store

log = structlog.get_logger()


class TellSpeakers:
    """Stores the turns of jobs that ask for them. A file whose voices can't be told apart keeps its transcript: that
    costs a warning, not the job.
    """

    def __init__(self, store: Store, diarizer: Diarizer) -> None:
        self._store = store
        self._diarizer = diarizer

    @asynccontextmanager
    async def beside(
        self, claim: Claim, place: Place, file: LocalInput, file_name: str
    ) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """Begin, and give a function that waits for the end and returns a warning, empty if all went well.

        Leaving the context before gives it up.
        """
        if not claim.job.config.tells_speakers:
            yield _nothing_to_tell
            return
        telling = asyncio.create_task(self._tell(claim, place, file, file_name), name=f"speakers-{claim.job.id}")
        try:
            yield lambda: telling
        finally:
            telling.cancel()
            await asyncio.wait([telling])
            if not telling.cancelled():
                telling.exception()  # whoever waited has had it

    def prioritize(self, job_id: str, priority: int) -> None:
        """A job that runs here has another priority."""
        self._diarizer.prioritize(job_id, priority)

    async def _tell(self, claim: Claim, place: Place, file: LocalInput, file_name: str) -> str:
        """Raises LeaseLostError."""
        job = claim.job
        if await self._store.read_speaker_turns(job.id):
            return ""
        try:
            turns = await self._diarizer.speakers(_request(job, place.priority, file, file_name))
        except DiarizationFailure as failure:
            log.warning("diarization_failed", job=job.name, reason=failure.reason)
            return f"Speakers are not told apart ({failure.reason}): {failure.message}"
        await self._store.tell_speakers(claim, turns)
        return ""


async def _nothing_to_tell() -> str:
    return ""


def _request(job: Job, priority: int, file: LocalInput, file_name: str) -> DiarizationRequest:
    config = job.config
    assert config.diarization is not None
    return DiarizationRequest(
        job_id=job.id,
        descriptor=file.descriptor,
        diarization=config.diarization,
        file_name=file_name,
        separate_channels=config.separates_channels,
        start_offset_ms=config.start_offset_ms,
        end_offset_ms=config.end_offset_ms,
        party=job.party,
        priority=priority,
    )
