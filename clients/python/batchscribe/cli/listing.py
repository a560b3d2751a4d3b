"""Jobs, batches and models as lines for people."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import TypeVar

from batchscribe.cli.views import files_note
from batchscribe.cli.wording import clock, is_upload, local_time, named_input, size, span
from batchscribe.outputs import format_word
from batchscribe.states import enum_word, state_word
from batchscribe.times import seconds_of
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.job_pb2 import Job
from batchscribe.v1.model_service_pb2 import Model, ModelSource
from batchscribe.v1.state_pb2 import STATE_RUNNING
from batchscribe.v1.storage_pb2 import InputConfig

T = TypeVar("T")

JOB_COLUMNS = ("NAME", "STATE", "AUDIO", "CREATED", "INPUT")
BATCH_COLUMNS = ("NAME", "STATE", "FILES", "AUDIO", "CREATED", "INPUT")
MODEL_COLUMNS = ("NAME", "SIZE", "LANGUAGES", "FROM", "NOTES")


async def first(items: AsyncIterator[T], limit: int) -> list[T]:
    """The first so many; 0 takes all."""
    taken: list[T] = []
    async for item in items:
        taken.append(item)
        if len(taken) == limit:
            break
    return taken


def job_row(job: Job) -> tuple[str, ...]:
    """A job as a line of a list."""
    audio = clock(seconds_of(job.audio_duration)) if job.HasField("audio_duration") else "-"
    state = f"{state_of(job)} ({job.error.reason})" if job.HasField("error") else state_of(job)
    return (job.name, state, audio, local_time(job.create_time), named_input(job) or input_note(job.input))


def batch_row(batch: Batch) -> tuple[str, ...]:
    """A batch as a line of a list."""
    return (
        batch.name,
        state_of(batch),
        files_note(batch.counts),
        clock(seconds_of(batch.counts.audio_total)),
        local_time(batch.create_time),
        batch.display_name or input_note(batch.input),
    )


def model_row(model: Model) -> tuple[str, ...]:
    """A model as a line of a list."""
    notes = [
        word
        for word, holds in (
            ("default", model.default),
            ("loaded", model.loaded),
            ("translates", model.translates),
            ("not on the server yet", not model.installed),
        )
        if holds
    ]
    languages = ",".join(model.languages) if len(model.languages) <= 4 else f"{len(model.languages)} languages"
    return (
        model.name.removeprefix("models/"),
        size(model.size_bytes) if model.size_bytes else "-",
        languages or "-",
        enum_word(ModelSource.DESCRIPTOR, model.source).lower(),
        ", ".join(notes),
    )


def job_details(job: Job) -> list[tuple[str, str]]:
    """What there is to know of a job, as names and values."""
    details = [
        ("name", job.name),
        ("batch", job.batch),
        ("state", state_of(job)),
        ("reason", job.error.reason),
        ("error", job.error.message),
        ("warning", job.warning),
        ("input", job.input_uri or input_note(job.input)),
        ("file", job.file_name if is_upload(job.input_uri) else ""),
        ("audio", clock(seconds_of(job.audio_duration)) if job.HasField("audio_duration") else ""),
        ("language", job.detected_language.code),
        ("model", job.model),
        ("attempt", str(job.attempt or "")),
        ("place in queue", str(job.queue_position or "")),
        ("waiting", job.waiting_reason),
    ]
    details += [(f"output {format_word(output.format)}", output.uri) for output in job.outputs]
    return _given(itertools.chain(details, _labels_and_times(job)))


def batch_details(batch: Batch) -> list[tuple[str, str]]:
    """What there is to know of a batch, as names and values."""
    details = [
        ("name", batch.name),
        ("display name", batch.display_name),
        ("state", state_of(batch)),
        ("reason", batch.error.reason),
        ("error", batch.error.message),
        ("input", input_note(batch.input)),
        ("output", batch.output.uri),
        ("report", batch.report_uri),
        ("warning", batch.warning),
        ("waiting", batch.waiting_reason),
        ("files", files_note(batch.counts)),
        ("audio", f"{clock(seconds_of(batch.counts.audio_done))} / {clock(seconds_of(batch.counts.audio_total))}"),
    ]
    return _given(itertools.chain(details, _labels_and_times(batch)))


def state_of(resource: Job | Batch) -> str:
    """The state, and how far it is while it runs: `RUNNING 42%`."""
    word = state_word(resource.state)
    return f"{word} {resource.progress:.0%}" if resource.state == STATE_RUNNING else word


def input_note(source: InputConfig) -> str:
    """An input in a few words: its URI, mostly."""
    match source.WhichOneof("source"):
        case "uri":
            return source.uri
        case "prefix":
            return source.prefix.uri
        case "fetch":
            return source.fetch.url
        case "media":
            return source.media
        case "manifest":
            return source.manifest.manifest_uri or f"{len(source.manifest.files)} files"
        case _:
            return ""


def _labels_and_times(resource: Job | Batch) -> list[tuple[str, str]]:
    labels = [(f"label {key}", value) for key, value in sorted(resource.labels.items())]
    times = [
        (word, local_time(getattr(resource, field)))
        for word, field in (
            ("created", "create_time"),
            ("started", "start_time"),
            ("finished", "finish_time"),
            ("kept until", "expire_time"),
        )
        if resource.HasField(field)  # type: ignore[arg-type]
    ]
    kept = span(seconds_of(resource.retention)) if resource.HasField("retention") else ""
    priority = str(resource.priority or "")
    return [("reference id", resource.reference_id), ("priority", priority), *labels, *times, ("kept for", kept)]


def _given(details: itertools.chain[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in details if value]
