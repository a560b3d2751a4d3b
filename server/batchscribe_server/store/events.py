"""Reading what happened: events with the segments they tell of, and transcripts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from sqlalchemy import Connection, and_, select

from batchscribe_server.domain.event import Event
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.store import tables
from batchscribe_server.store.database import Database
from batchscribe_server.store.rows import events_from_rows, segment_from_row

PAGE_SEGMENTS = 500
"""Segments read at once."""

_events = tables.events.c
_segments = tables.segments.c


async def read_segments(database: Database, job_id: str) -> AsyncIterator[Segment]:
    """All segments of a job in order, a page in memory at a time."""
    after = -1
    while page := await database.read(partial(_segment_page, job_id=job_id, after=after)):
        for segment in page:
            yield segment
        if len(page) < PAGE_SEGMENTS:
            return
        after = page[-1].index


async def read_events(database: Database, resource: str, after: int, limit: int) -> Sequence[Event]:
    """A resource's events after a sequence, in order."""
    return await database.read(partial(_event_page, resource=resource, after=after, limit=limit))


def _segment_page(connection: Connection, job_id: str, after: int) -> Sequence[Segment]:
    query = (
        select(tables.segments)
        .where(_segments.job_id == job_id, _segments.index > after)
        .order_by(_segments.index)
        .limit(PAGE_SEGMENTS)
    )
    return [segment_from_row(row) for row in connection.execute(query).mappings()]


def _event_page(connection: Connection, resource: str, after: int, limit: int) -> Sequence[Event]:
    told_of = and_(_segments.job_id == resource.removeprefix("jobs/"), _segments.index == _events.segment_index)
    query = (
        select(tables.events, tables.segments)
        .join_from(tables.events, tables.segments, told_of, isouter=True)
        .where(_events.resource == resource, _events.sequence > after)
        .order_by(_events.sequence)
        .limit(limit)
    )
    return events_from_rows(connection.execute(query).mappings())
