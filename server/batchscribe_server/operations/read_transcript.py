"""Read a transcript in any format: rendered from the stored segments, whatever was written when the job ran."""

from __future__ import annotations

from collections.abc import Iterator

from batchscribe_server.domain.errors import TranscriptNotReadyError
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.recognition import TranscriptFormat
from batchscribe_server.domain.transcript import MediaDescription, Transcript
from batchscribe_server.operations.rendering import Renderer
from batchscribe_server.operations.store import Store


async def load_transcript(store: Store, job: Job, warning: str, duration_ms: int) -> Transcript:
    """The transcript of a job from its stored segments."""
    return Transcript(
        job_name=job.name,
        input_uri=job.input_uri,
        reference_id=job.reference_id,
        model=job.model,
        task=job.config.task,
        language=job.detected_language,
        media=job.media or MediaDescription(),
        duration_ms=duration_ms,
        create_time_iso=job.create_time.isoformat(),
        segments=[segment async for segment in store.read_segments(job.id)],
        warning=warning,
    )


class ReadTranscript:
    """Renders the transcript of a job that has succeeded."""

    def __init__(self, store: Store, renderer: Renderer) -> None:
        self._store = store
        self._renderer = renderer

    async def __call__(self, tenant: str, job_id: str, format: TranscriptFormat) -> Iterator[bytes]:
        """The transcript in pieces. Raises JobNotFoundError, TranscriptNotReadyError."""
        job = await self._store.get_job(tenant, job_id)
        if job.state is not State.SUCCEEDED:
            raise TranscriptNotReadyError(
                f"{job.name} is {job.state}: a transcript can be read once it has SUCCEEDED", job=job.name
            )
        transcript = await load_transcript(self._store, job, job.warning, job.audio_duration_ms)
        return self._renderer.render(transcript, format, job.config, job.output.subtitles)
