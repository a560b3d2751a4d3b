"""Rows to domain values and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from batchscribe_server.domain.batch import Batch, Counts
from batchscribe_server.domain.event import (
    BatchJobChanged,
    BatchProgressed,
    Event,
    EventDetail,
    JobProgressed,
    SegmentHeard,
    StateChanged,
)
from batchscribe_server.domain.job import Job
from batchscribe_server.domain.media import Media, is_upload, upload_id
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.store import tables

JOB_FIELDS = tuple(field.name for field in fields(Job))
SEGMENT_FIELDS = tuple(field.name for field in fields(Segment) if field.name != "speaker")
COUNT_FIELDS = tuple(field.name for field in fields(Counts) if field.name != "total")
_BATCH_FIELDS = tuple(field.name for field in fields(Batch) if field.name != "counts")
_MEDIA_FIELDS = tuple(field.name for field in fields(Media))

_TURN_FIELDS = tuple(field.name for field in fields(SpeakerTurn))

_KINDS: Mapping[type, str] = {
    StateChanged: "state",
    JobProgressed: "progress",
    SegmentHeard: "segment",
    BatchProgressed: "batch_progress",
    BatchJobChanged: "batch_job",
}
_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(shape) for shape, kind in _KINDS.items() if shape is not SegmentHeard
}


def job_values(job: Job) -> dict[str, Any]:
    """The columns of `jobs` but for those of the lease, with the whole config: see `job_configs`."""
    values = {name: getattr(job, name) for name in JOB_FIELDS}
    values["labels"] = dict(job.labels)
    uri = job.input_uri
    values["media_id"] = upload_id(uri) if is_upload(uri) else ""
    values["wanted_model"] = job.config.model
    return values


def batch_from_row(row: RowMapping) -> Batch:
    """A row of `batches`."""
    return Batch(**{name: row[name] for name in _BATCH_FIELDS}, counts=counts_from_row(row))


def batch_values(batch: Batch) -> dict[str, Any]:
    """The columns of `batches`."""
    values = {name: getattr(batch, name) for name in _BATCH_FIELDS}
    return values | count_values(batch.counts) | {"labels": dict(batch.labels), "wanted_model": batch.config.model}


def counts_from_row(row: RowMapping) -> Counts:
    """The counts of a row of `batches`."""
    counts = {name: row[name] for name in COUNT_FIELDS}
    states = ("queued", "running", "succeeded", "failed", "cancelled")
    return Counts(total=sum(counts[state] for state in states), **counts)


def count_values(counts: Counts) -> dict[str, int]:
    """The columns of `batches` that hold its counts."""
    return {name: getattr(counts, name) for name in COUNT_FIELDS}


def media_from_row(row: RowMapping) -> Media:
    """A row of `media`."""
    return Media(**{name: row[name] for name in _MEDIA_FIELDS})


def media_values(media: Media) -> dict[str, Any]:
    """The columns of `media`."""
    return {name: getattr(media, name) for name in _MEDIA_FIELDS}


def segment_from_row(row: RowMapping) -> Segment:
    """A row of `segments`."""
    return Segment(**{name: row[name] for name in SEGMENT_FIELDS})


def segment_values(job_id: str, segment: Segment) -> dict[str, Any]:
    """The columns of `segments`."""
    return {"job_id": job_id} | {name: getattr(segment, name) for name in SEGMENT_FIELDS}


def speaker_turn_from_row(row: RowMapping) -> SpeakerTurn:
    """A row of `speaker_turns`."""
    return SpeakerTurn(**{name: row[name] for name in _TURN_FIELDS})


def speaker_turn_values(job_id: str, index: int, turn: SpeakerTurn) -> dict[str, Any]:
    """The columns of `speaker_turns`."""
    return {"job_id": job_id, "index": index} | {name: getattr(turn, name) for name in _TURN_FIELDS}


def event_values(event: Event) -> dict[str, Any]:
    """The columns of `events`. A segment is referred to, not stored again."""
    detail = event.detail
    heard = isinstance(detail, SegmentHeard)
    return {
        "resource": event.resource,
        "sequence": event.sequence,
        "time": event.time,
        "kind": _KINDS[type(detail)],
        "detail": "" if heard else msgspec.json.encode(detail).decode(),
        "segment_index": detail.segment.index if isinstance(detail, SegmentHeard) else None,
    }


def events_from_rows(rows: Iterable[RowMapping]) -> list[Event]:
    """Rows of `events`, joined with the segments they refer to."""
    return [
        Event(
            resource=row[tables.events.c.resource],
            sequence=row[tables.events.c.sequence],
            time=row[tables.events.c.time],
            detail=_detail(row),
        )
        for row in rows
    ]


def _detail(row: RowMapping) -> EventDetail:
    kind: str = row[tables.events.c.kind]
    if kind == _KINDS[SegmentHeard]:
        return SegmentHeard(Segment(**{name: row[tables.segments.c[name]] for name in SEGMENT_FIELDS}))
    detail: EventDetail = _DECODERS[kind].decode(row[tables.events.c.detail])
    return detail
