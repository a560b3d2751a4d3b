"""What a watch says, as messages of its stream."""

from __future__ import annotations

from typing import assert_never

from batchscribe.v1 import event_pb2 as pb
from batchscribe.v1 import transcript_pb2
from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.event import (
    BatchJobChanged,
    BatchProgressed,
    Event,
    JobProgressed,
    SegmentHeard,
    StateChanged,
)
from batchscribe_server.domain.job import Job
from batchscribe_server.domain.layout import file_name
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import Segment, Word
from batchscribe_server.operations.watch import Heartbeat, Snapshot, WatchMessage
from batchscribe_server.rpc.convert_batch import batch_message
from batchscribe_server.rpc.convert_job import audio_progress, job_message
from batchscribe_server.rpc.convert_state import counts_message, failure_message, state_message
from batchscribe_server.rpc.convert_time import duration, timestamp


def job_event_message(watched: WatchMessage, config: RecognitionConfig) -> pb.JobEvent:
    """A message of WatchJob, with the words that the job's config asked for. Raises TypeError for what only happens to
    batches.
    """
    message = pb.JobEvent(sequence=watched.sequence, event_time=timestamp(watched.time))
    match watched:
        case Snapshot(resource=Job() as job):
            message.snapshot.CopyFrom(job_message(job))
        case Heartbeat():
            message.heartbeat.SetInParent()
        case Event(detail=StateChanged() as change):
            message.state_change.CopyFrom(_state_change_message(change))
        case Event(detail=JobProgressed() as progress):
            message.progress.CopyFrom(_progress_message(progress))
        case Event(detail=SegmentHeard(segment)):
            message.segment.CopyFrom(segment_message(segment, config))
        case Snapshot() | Event():
            raise TypeError(f"not of a job: {watched!r}")
        case _:
            assert_never(watched)
    return message


def batch_event_message(watched: WatchMessage) -> pb.BatchEvent:
    """A message of WatchBatch. Raises TypeError for what only happens to jobs."""
    message = pb.BatchEvent(sequence=watched.sequence, event_time=timestamp(watched.time))
    match watched:
        case Snapshot(resource=Batch() as batch):
            message.snapshot.CopyFrom(batch_message(batch))
        case Heartbeat():
            message.heartbeat.SetInParent()
        case Event(detail=StateChanged() as change):
            message.state_change.CopyFrom(_state_change_message(change))
        case Event(detail=BatchProgressed(counts)):
            message.progress.CopyFrom(pb.BatchProgress(progress=counts.progress, counts=counts_message(counts)))
        case Event(detail=BatchJobChanged() as change):
            message.job_change.CopyFrom(_job_change_message(change))
        case Snapshot() | Event():
            raise TypeError(f"not of a batch: {watched!r}")
        case _:
            assert_never(watched)
    return message


def segment_message(segment: Segment, config: RecognitionConfig) -> transcript_pb2.Segment:
    """A segment as it was heard: who speaks is told of the whole file alone. Words may be there for subtitles alone;
    they are shown where they were asked for.
    """
    shows_words = config.word_time_offsets or config.word_confidence
    return transcript_pb2.Segment(
        index=segment.index,
        start=duration(segment.start_ms),
        end=duration(segment.end_ms),
        text=segment.text,
        channel=segment.channel,
        language=segment.language,
        confidence=segment.confidence,
        words=[_word_message(word, config) for word in segment.words] if shows_words else (),
    )


def _word_message(word: Word, config: RecognitionConfig) -> transcript_pb2.Word:
    return transcript_pb2.Word(
        text=word.text,
        start=duration(word.start_ms),
        end=duration(word.end_ms),
        confidence=word.confidence if config.word_confidence else None,
    )


def _progress_message(progress: JobProgressed) -> pb.Progress:
    message = pb.Progress(
        progress=audio_progress(progress.processed_ms, progress.audio_duration_ms),
        processed_duration=duration(progress.processed_ms),
    )
    if progress.audio_duration_ms:
        message.audio_duration.CopyFrom(duration(progress.audio_duration_ms))
    return message


def _state_change_message(change: StateChanged) -> pb.StateChange:
    return pb.StateChange(
        state=state_message(change.state), error=failure_message(change.error), attempt=change.attempt
    )


def _job_change_message(change: BatchJobChanged) -> pb.BatchJobChange:
    return pb.BatchJobChange(
        job=f"jobs/{change.job_id}",
        input_uri=change.input_uri,
        state=state_message(change.state),
        error=failure_message(change.error),
        file_name=file_name(change.input_name or change.input_uri),
    )
