"""Read a transcript in any format: rendered from the stored segments, whatever was written when the job ran."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from batchscribe_server.domain.errors import TranscriptNotFoundError, TranscriptNotReadyError
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.media import shown_input
from batchscribe_server.domain.recognition import TranscriptFormat
from batchscribe_server.domain.speakers import with_speakers
from batchscribe_server.domain.transcript import MediaDescription, Transcript
from batchscribe_server.domain.turns import in_turns
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.rendering import Renderer
from batchscribe_server.operations.store import Store


async def load_transcript(store: Store, job: Job, duration_ms: int) -> Transcript:
    """What was heard in a job's file, from its stored segments: without warnings, and what was found in it."""
    segments = [segment async for segment in store.read_segments(job.id)]
    turns = await store.read_speaker_turns(job.id) if job.config.tells_speakers else ()
    # Of a long recording this takes a while: not on the loop that serves everyone.
    segments = await in_thread(lambda: in_turns(with_speakers(segments, turns) if turns else segments))
    return Transcript(
        job_name=job.name,
        input_uri=shown_input(job),
        reference_id=job.reference_id,
        model=job.model,
        task=job.config.task,
        language=job.detected_language,
        media=job.media or MediaDescription(),
        duration_ms=duration_ms,
        create_time_iso=job.create_time.isoformat(),
        segments=segments,
        channel_labels=job.config.diarization.channel_labels if job.config.diarization else (),
    )


class ReadTranscript:
    """Renders the transcript of a job that has succeeded."""

    def __init__(self, store: Store, renderer: Renderer) -> None:
        self._store = store
        self._renderer = renderer

    async def __call__(
        self, tenant: str, job_id: str, format: TranscriptFormat, channel: int | None = None
    ) -> Iterator[bytes]:
        """The transcript, or that of one channel, in pieces.

        Raises JobNotFoundError, TranscriptNotReadyError, and TranscriptNotFoundError for a channel or a summary that is
        not there, and for a job that was skipped: what it left where it was may be of anything.
        """
        job = await self._store.get_job(tenant, job_id)
        if job.state is not State.SUCCEEDED:
            raise TranscriptNotReadyError(
                f"{job.name} is {job.state}: a transcript can be read once it has SUCCEEDED", job=job.name
            )
        if job.skipped:
            there = ", ".join(output.uri for output in job.outputs)
            raise TranscriptNotFoundError(
                f"{job.name} was skipped, for its outputs were there already: read {there}, or submit it again with "
                "on_conflict OVERWRITE",
                job=job.name,
                uri=job.outputs[0].uri,
            )
        analysis = await self._store.get_analysis(job.id) if job.config.wants_analysis else None
        heard = await load_transcript(self._store, job, job.audio_duration_ms)
        transcript = replace(heard, warning=job.warning, analysis=analysis)
        if channel is not None:
            transcript = _of_channel(transcript, channel)
        if format is TranscriptFormat.SUMMARY and not transcript.has_summary:
            raise TranscriptNotFoundError(f"{job.name} {_no_summary(job, channel)}", job=job.name)
        return self._renderer.render(transcript, format, job.config, job.output.subtitles)


def _no_summary(job: Job, channel: int | None) -> str:
    if job.config.summary is None:
        return "has no summary: none was asked for"
    return "has no summary: its warning says why" if channel is None else "has one summary of all channels together"


def _of_channel(transcript: Transcript, channel: int) -> Transcript:
    channels = transcript.channels
    if channel in channels:
        return transcript.of_channel(channel)
    there = f"has the channels 0 to {channels[-1]}" if channels else "was transcribed without its channels apart"
    raise TranscriptNotFoundError(f"{transcript.job_name} {there}: there is no channel {channel}")
