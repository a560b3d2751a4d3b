"""Whether a transaction was committed whose COMMIT was never answered.

Each connection numbers its transactions in a row of its own, as part of each. Once the connection is lost the row says
how far it came. `pg_xact_status` does not: after a crash PostgreSQL gives the ids of transactions that left nothing on
the disk to others, whose end would be taken for theirs.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from batchscribe_server.store import tables

KEPT = timedelta(days=1)
"""How long the row of a connection that writes nothing any more is kept."""

_WRITER = "commit_marks_writer"
_SERIAL = "commit_marks_serial"

_marks = tables.commit_marks.c

# A transaction that changed and locked nothing has no id, and needs no mark, which would cost it a write to the disk.
_THIS = select(
    bindparam("writer", type_=_marks.writer.type),
    bindparam("serial", type_=_marks.serial.type),
    bindparam("time", type_=_marks.time.type),
).where(text("pg_current_xact_id_if_assigned() IS NOT NULL"))
_insert = insert(tables.commit_marks).from_select(["writer", "serial", "time"], _THIS)
_MARK = _insert.on_conflict_do_update(
    index_elements=["writer"], set_={"serial": _insert.excluded.serial, "time": _insert.excluded.time}
)
# Written, though with what is there: so it waits for a transaction that still ends on a connection given up.
_nothing = insert(tables.commit_marks).values(writer=bindparam("writer"), serial=0, time=bindparam("time"))
_LAST = _nothing.on_conflict_do_update(index_elements=["writer"], set_={"serial": _marks.serial}).returning(
    _marks.serial
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One transaction of one connection."""

    writer: str
    serial: int
    time: datetime


def mark(connection: Connection, now: datetime) -> Mark:
    """Mark the connection's transaction, whose last statement this is."""
    info = connection.info
    writer = info.setdefault(_WRITER, uuid.uuid4().hex)
    info[_SERIAL] = info.get(_SERIAL, 0) + 1
    made = Mark(writer, info[_SERIAL], now)
    connection.execute(_MARK, {"writer": writer, "serial": made.serial, "time": now})
    return made


def was_committed(connection: Connection, made: Mark) -> bool:
    """Whether a marked transaction was committed, once its connection is gone."""
    last: int = connection.execute(_LAST, {"writer": made.writer, "time": made.time}).scalar_one()
    return last >= made.serial


def forget_old_marks(connection: Connection, now: datetime) -> None:
    """Remove the rows of connections that are long gone."""
    connection.execute(delete(tables.commit_marks).where(_marks.time < now - KEPT))
