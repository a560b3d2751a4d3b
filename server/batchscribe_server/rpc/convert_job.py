"""Jobs, from request to domain and from domain to message."""

from __future__ import annotations

from batchscribe.v1 import job_pb2 as pb
from batchscribe.v1 import state_pb2, transcript_pb2
from batchscribe_server.domain.job import Job, JobStage, OutputFile, State
from batchscribe_server.domain.layout import file_name
from batchscribe_server.domain.media import Media, shown_input
from batchscribe_server.operations.submit import NewJob
from batchscribe_server.rpc.convert_access import storage_access
from batchscribe_server.rpc.convert_recognition import recognition_config, recognition_config_message
from batchscribe_server.rpc.convert_state import failure_message, state_message, warning_text
from batchscribe_server.rpc.convert_storage import (
    input_uri,
    input_uri_message,
    output_config,
    output_config_message,
    transcript_format_message,
)
from batchscribe_server.rpc.convert_time import asked_retention_ms, duration, timestamp
from batchscribe_server.rpc.etags import etag

_STAGES = {
    None: state_pb2.STAGE_TRANSCRIBING,
    JobStage.ANALYZING: state_pb2.STAGE_ANALYZING,
    JobStage.WRITING: state_pb2.STAGE_WRITING,
}


def new_job(message: pb.Job) -> NewJob:
    """What a validated CreateJob asks for."""
    return NewJob(
        input_uri=input_uri(message.input),
        is_fetch=message.input.HasField("fetch"),
        display_name=message.display_name,
        reference_id=message.reference_id,
        labels=dict(message.labels),
        priority=message.priority,
        config=recognition_config(message.config),
        output=output_config(message.output),
        access=storage_access(message.input, message.output),
        retention_ms=asked_retention_ms(message),
    )


def job_message(job: Job) -> pb.Job:
    """A job as clients see it."""
    message = pb.Job(
        name=job.name,
        batch=f"batches/{job.batch_id}" if job.batch_id else "",
        display_name=job.display_name,
        reference_id=job.reference_id,
        labels=job.labels,
        priority=job.priority,
        input=input_uri_message(job.input_uri, is_fetch=job.is_fetch),
        output=output_config_message(job.output),
        config=recognition_config_message(job.config),
        input_uri=job.input_uri,
        state=state_message(job.state),
        stage=_STAGES[job.stage] if job.state is State.RUNNING else state_pb2.STAGE_UNSPECIFIED,
        progress=job_progress(job),
        processed_duration=duration(job.processed_ms),
        attempt=job.attempt,
        outputs=[_output_message(output) for output in job.outputs],
        error=failure_message(job.error),
        warning=warning_text(job.warning, job.state, job.waiting),
        model=job.model,
        create_time=timestamp(job.create_time),
        update_time=timestamp(job.update_time),
        etag=etag(job.name, job.sequence),
        file_name=file_name(shown_input(job)),
    )
    if job.audio_duration_ms:
        message.audio_duration.CopyFrom(duration(job.audio_duration_ms))
    if job.detected_language is not None:
        language = job.detected_language
        message.detected_language.CopyFrom(
            transcript_pb2.DetectedLanguage(code=language.code, confidence=language.confidence)
        )
    if job.media is not None:
        media = job.media
        message.media_info.CopyFrom(
            pb.MediaInfo(
                container=media.container,
                codec=media.codec,
                sample_rate_hz=media.sample_rate_hz,
                channels=media.channels,
            )
        )
    if job.start_time is not None:
        message.start_time.CopyFrom(timestamp(job.start_time))
    if job.finish_time is not None:
        message.finish_time.CopyFrom(timestamp(job.finish_time))
    if job.retention_ms:
        message.retention.CopyFrom(duration(job.retention_ms))
    if job.expire_time is not None:
        message.expire_time.CopyFrom(timestamp(job.expire_time))
    return message


def job_progress(job: Job) -> float:
    """Audio done over audio total, 0 to 1."""
    return 1.0 if job.state is State.SUCCEEDED else audio_progress(job.processed_ms, job.audio_duration_ms)


def audio_progress(processed_ms: int, audio_duration_ms: int) -> float:
    """Audio done over audio total, 0 to 1; 0 while the total is not known."""
    return min(1.0, processed_ms / audio_duration_ms) if audio_duration_ms > 0 else 0.0


def media_message(media: Media) -> pb.Media:
    """An upload as clients see it."""
    return pb.Media(
        name=media.name,
        file_name=media.file_name,
        size_bytes=media.size_bytes,
        sha256=media.sha256,
        create_time=timestamp(media.create_time),
        expire_time=timestamp(media.expire_time),
    )


def _output_message(output: OutputFile) -> pb.OutputFile:
    return pb.OutputFile(
        format=transcript_format_message(output.format),
        channel=output.channel,
        uri=output.uri,
        size_bytes=output.size_bytes,
    )
