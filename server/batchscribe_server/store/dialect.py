"""The few things that SQLite and PostgreSQL spell differently.

Row locks need no word here: `FOR UPDATE [SKIP LOCKED]` is left out by SQLAlchemy on SQLite, where all writes pass
through one transaction at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Insert, Table, bindparam, cast, exists, extract, func, select
from sqlalchemy.dialects import postgresql, sqlite

from batchscribe_server.store.columns import from_microseconds


def insert_if_absent(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its primary key is taken; tells whether it was inserted.

    Waits for another transaction that is inserting the same key.
    """
    return connection.execute(_insert_if_absent(connection.dialect.name, table), values).rowcount == 1


def put(
    connection: Connection, table: Table, values: Mapping[str, Any], where: ColumnElement[bool] | None = None
) -> None:
    """Insert a row, or set these columns of the one that has its primary key, if `where` holds for that."""
    if where is None:
        connection.execute(_put(connection.dialect.name, table, tuple(values)), values)
    else:
        connection.execute(_upsert(connection.dialect.name, table, tuple(values), where), values)


@cache
def _put(dialect_name: str, table: Table, columns: tuple[str, ...]) -> Insert:
    return _upsert(dialect_name, table, columns, None)


def _upsert(dialect_name: str, table: Table, columns: tuple[str, ...], where: ColumnElement[bool] | None) -> Insert:
    insert = (postgresql.insert if dialect_name == "postgresql" else sqlite.insert)(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in columns if name not in keys}
    return insert.values({name: bindparam(name) for name in columns}).on_conflict_do_update(
        index_elements=keys, set_=changed, where=where
    )


@cache
def _insert_if_absent(dialect_name: str, table: Table) -> Insert:
    insert = postgresql.insert if dialect_name == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing(index_elements=list(table.primary_key))


def has_label(connection: Connection, labels: Column[Any], key: str, value: str) -> ColumnElement[bool]:
    """Whether a column of labels holds this one, whatever characters its key is made of."""
    if connection.dialect.name == "postgresql":
        held: ColumnElement[bool] = cast(labels, postgresql.JSONB).contains({key: value})  # in the words of the index
        return held
    # SQLite's paths have no way to write a quotation mark, and miss keys that are escaped in the column.
    pairs = func.json_each(labels).table_valued("key", "value")
    return exists(select(1).select_from(pairs).where(pairs.c.key == key, pairs.c.value == value))


def database_now(connection: Connection) -> datetime:
    """The time by the clock that all who share a PostgreSQL database share."""
    seconds = select(extract("epoch", func.clock_timestamp()) * 1_000_000)
    return from_microseconds(int(connection.execute(seconds).scalar_one()))
