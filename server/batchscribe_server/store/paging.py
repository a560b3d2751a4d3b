"""Page tokens and the queries they belong to: listings go on after a row, never after a number of rows.

A token holds the place of the last row given, so that rows added meanwhile neither repeat others nor push them out, and
a digest of its query, so that it can't be used with another one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, Table, func, select, tuple_

from batchscribe_server.domain.errors import FieldViolation, InvalidArgumentError
from batchscribe_server.operations.store import ListQuery, Page
from batchscribe_server.store.columns import from_microseconds, to_microseconds
from batchscribe_server.store.dialect import has_label


class Listed(Protocol):
    """What is listed: it has a place in time."""

    @property
    def id(self) -> str:
        """Orders those created at the same time."""

    @property
    def create_time(self) -> datetime:
        """When it was created."""


Item = TypeVar("Item", bound=Listed)

_MAX_TOTAL = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Place:
    """The last row given, and how many rows there were when the listing began."""

    create_time: datetime
    id: str
    total: int


class _Token(msgspec.Struct, frozen=True, array_like=True):
    digest: bytes
    create_time: int
    id: str
    total: int


def list_page(
    connection: Connection,
    table: Table,
    query: ListQuery,
    convert: Callable[[Connection, Iterable[RowMapping]], list[Item]],
) -> Page[Item]:
    """One page of jobs or batches. Raises InvalidArgumentError on a token of another query."""
    collection = str(table.name)
    place = read_token(collection, query) if query.page_token else None
    conditions = _conditions(connection, table, query)
    # Counting may read a whole index, so a listing is counted once, when it begins.
    total = place.total if place else _count(connection, table, conditions)
    rank = tuple_(table.c.create_time, table.c.id)
    if place is not None:
        last = tuple_(place.create_time, place.id, types=[table.c.create_time.type, table.c.id.type])
        conditions.append(rank > last if query.oldest_first else rank < last)
    order = [column.asc() if query.oldest_first else column.desc() for column in (table.c.create_time, table.c.id)]
    rows = select(table).where(*conditions).order_by(*order).limit(query.page_size + 1)
    items = convert(connection, connection.execute(rows).mappings())
    token = ""
    if len(items) > query.page_size:
        items = items[: query.page_size]
        token = write_token(collection, query, Place(items[-1].create_time, items[-1].id, total))
    return Page(items, token, total)


def write_token(collection: str, query: ListQuery, place: Place) -> str:
    """The token of the page after a place."""
    token = _Token(_digest(collection, query), to_microseconds(place.create_time), place.id, place.total)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(token)).decode().rstrip("=")


def read_token(collection: str, query: ListQuery) -> Place:
    """The place that the query's token holds. Raises InvalidArgumentError, also for one that was never given."""
    try:
        padded = query.page_token + "=" * (-len(query.page_token) % 4)
        token = msgspec.msgpack.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Token)
        place = Place(from_microseconds(token.create_time), token.id, token.total)
    except (ValueError, binascii.Error, OverflowError, msgspec.MsgspecError):
        place = None
    if place is None or "\0" in place.id or not 0 <= place.total <= _MAX_TOTAL:
        raise InvalidArgumentError([FieldViolation("page_token", "This is not a page token of this service.")])
    if token.digest != _digest(collection, query):
        raise InvalidArgumentError(
            [FieldViolation("page_token", "It belongs to a listing with other fields: send those, or no token.")]
        )
    return place


def _digest(collection: str, query: ListQuery) -> bytes:
    """Of all fields but the size of a page, which a client may change from page to page (AIP-158)."""
    fields = [
        collection,
        query.tenant,
        query.batch_id,
        sorted(query.states),
        sorted((query.labels or {}).items()),
        query.reference_id,
        query.uri,
        query.uri_prefix,
        query.oldest_first,
    ]
    return hashlib.sha256(msgspec.json.encode(fields)).digest()[:12]


def _count(connection: Connection, table: Table, conditions: Sequence[ColumnElement[bool]]) -> int:
    total: int = connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()
    return min(total, _MAX_TOTAL)


def _conditions(connection: Connection, table: Table, query: ListQuery) -> list[ColumnElement[bool]]:
    columns: Any = table.c
    conditions: list[ColumnElement[bool]] = [columns.tenant == query.tenant]
    if query.states:
        conditions.append(columns.state.in_(query.states))
    if query.reference_id:
        conditions.append(columns.reference_id == query.reference_id)
    for key, value in (query.labels or {}).items():
        conditions.append(has_label(connection, columns.labels, key, value))
    if query.batch_id is not None and "batch_id" in columns:
        conditions.append(columns.batch_id == query.batch_id)
    if query.uri and "input_uri" in columns:
        conditions.append(columns.input_uri == query.uri)
    if query.uri_prefix and "input_uri" in columns:
        # Not LIKE, which ignores case on SQLite.
        conditions.append(func.substr(columns.input_uri, 1, len(query.uri_prefix)) == query.uri_prefix)
    return conditions
