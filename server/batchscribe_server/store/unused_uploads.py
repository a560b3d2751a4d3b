"""Uploads that go with what named them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Text, exists, literal, type_coerce, update

from batchscribe_server.domain.job import State
from batchscribe_server.domain.media import is_upload, upload_id
from batchscribe_server.store import tables

_jobs = tables.jobs.c
_batches = tables.batches.c
_media = tables.media.c


def release_uploads(connection: Connection, now: datetime, uris: Iterable[str]) -> None:
    """Let the uploads among these go at once that no job names any more, nor a batch that is still scanned."""
    ids = sorted({upload_id(uri) for uri in uris if is_upload(uri)})
    if ids:
        to_come = type_coerce(_batches.input, Text).contains(literal('"media/') + _media.id + '"')
        named_by_job = exists().where(_jobs.media_id == _media.id)
        named_by_scan = exists().where(_batches.state == State.INITIALIZING, to_come)
        unused = update(tables.media).where(_media.id.in_(ids), _media.expire_time > now, ~named_by_job, ~named_by_scan)
        connection.execute(unused.values(expire_time=now))
