"""The replicas that share a database, and the queue that they share, in SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import RowMapping, delete, select, update

from batchscribe_server.domain.errors import ReplicaNotFoundError
from batchscribe_server.domain.queue import QueueOverview
from batchscribe_server.domain.replica import Capacity, Orders, Replica, ReplicaReport, ReplicaState
from batchscribe_server.operations.wakeups import REPLICAS
from batchscribe_server.store import tables
from batchscribe_server.store.database import Database
from batchscribe_server.store.dialect import insert_if_absent
from batchscribe_server.store.ledger import Ledger
from batchscribe_server.store.queue import queue_overview

SILENT_AFTER = timedelta(seconds=30)
"""A heartbeat at least was missed by then."""

KEPT = timedelta(hours=1)
"""How long a replica that is silent is remembered."""

_replicas = tables.replicas.c


class SqlFleetStore:
    """The FleetStore. All of it goes by the store's clock, and so through its writer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, report: ReplicaReport) -> Orders:
        """Write a replica's row."""
        return await self._database.write(partial(_beat, report=report))

    async def list_replicas(self) -> Sequence[Replica]:
        """Read all rows."""
        return await self._database.write(_list)

    async def ask_to_drain(self, replica_id: str, *, drain: bool) -> Replica:
        """Write what a replica is to do, and wake it."""
        return await self._database.write(partial(_ask_to_drain, replica_id=replica_id, drain=drain))

    async def remove_replica(self, replica_id: str) -> None:
        """Delete a row, if it is there."""
        await self._database.write(partial(_remove, replica_id=replica_id))

    async def forget_replicas(self) -> None:
        """Delete all rows."""
        await self._database.write(_forget)

    async def look_at_queue(self, max_lines: int) -> QueueOverview:
        """Count, in one view of the database."""
        time = await self._database.write(_time)
        return await self._database.read(partial(queue_overview, time=time, max_lines=max_lines))


def _beat(ledger: Ledger, report: ReplicaReport) -> Orders:
    connection = ledger.connection
    connection.execute(delete(tables.replicas).where(_replicas.seen_time < ledger.now - KEPT))
    row = {"id": report.id, "report": report, "start_time": ledger.now, "seen_time": ledger.now}
    # One that was silent for too long, and forgotten, drains on.
    drains = report.state is ReplicaState.DRAINING
    if insert_if_absent(connection, tables.replicas, row | {"drain_requested": drains}):
        return _orders(ledger, report.id, drain=drains)
    seen = update(tables.replicas).where(_replicas.id == report.id).values(report=report, seen_time=ledger.now)
    connection.execute(seen)
    drains = connection.execute(select(_replicas.drain_requested).where(_replicas.id == report.id)).scalar_one()
    return _orders(ledger, report.id, drain=drains)


def _orders(ledger: Ledger, replica_id: str, *, drain: bool) -> Orders:
    others = select(_replicas.report).where(
        _replicas.id != replica_id, _replicas.seen_time >= ledger.now - SILENT_AFTER
    )
    reports: Sequence[ReplicaReport] = ledger.connection.execute(others).scalars().all()
    serving = [each for each in reports if each.state is ReplicaState.SERVING]
    models = {model.name: model for each in serving for model in each.offered_models}
    of_models: Counter[str] = Counter()
    with_room = [each for each in serving if each.has_room]
    for each in with_room:
        of_models.update({model.name: each.max_running_jobs for model in each.offered_models})
    capacity = Capacity(sum(each.max_running_jobs for each in with_room), of_models)
    return Orders(drain, capacity, tuple(models.values()))


def _list(ledger: Ledger) -> Sequence[Replica]:
    rows = ledger.connection.execute(select(tables.replicas).order_by(_replicas.start_time, _replicas.id))
    return [_replica(row, ledger.now) for row in rows.mappings()]


def _ask_to_drain(ledger: Ledger, replica_id: str, drain: bool) -> Replica:
    asked = update(tables.replicas).where(_replicas.id == replica_id).values(drain_requested=drain)
    ledger.connection.execute(asked)
    query = select(tables.replicas).where(_replicas.id == replica_id)
    row = ledger.connection.execute(query).mappings().one_or_none()
    if row is None:
        raise ReplicaNotFoundError(f"There is no replica {replica_id!r}.", replica=replica_id)
    ledger.topics.add(REPLICAS)
    return _replica(row, ledger.now)


def _remove(ledger: Ledger, replica_id: str) -> None:
    ledger.connection.execute(delete(tables.replicas).where(_replicas.id == replica_id))


def _forget(ledger: Ledger) -> None:
    ledger.connection.execute(delete(tables.replicas))


def _time(ledger: Ledger) -> datetime:
    return ledger.now


def _replica(row: RowMapping, now: datetime) -> Replica:
    report: ReplicaReport = row["report"]
    if now - row["seen_time"] > SILENT_AFTER:
        report = replace(report, state=ReplicaState.SILENT)
    return Replica(report, row["start_time"], row["seen_time"], row["drain_requested"])
