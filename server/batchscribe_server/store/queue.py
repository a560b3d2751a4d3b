"""The queue of jobs in SQL. What a claim costs depends on how many jobs it takes and how many tenants have work, not on
how many jobs wait: every question is answered from the beginning of an index.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    TextClause,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    or_,
    select,
    tuple_,
    update,
)

from batchscribe_server.domain.job import Job
from batchscribe_server.domain.party import Party
from batchscribe_server.domain.queue import QueueLine, QueueOverview
from batchscribe_server.domain.url import is_url
from batchscribe_server.operations.run_store import ServerLoad
from batchscribe_server.store import tables
from batchscribe_server.store.dialect import put
from batchscribe_server.store.ledger import Ledger
from batchscribe_server.store.shares import Line, Tenant, choose

MOST_COUNTED = 100_000
"""How many single files of a tenant an overview counts at most: a million would hold up their reader."""

PUT_BACK_AT_ONCE = 500
"""How many jobs come back in line with one claim."""

_jobs = tables.jobs.c
_batches = tables.batches.c
_tenants = tables.tenants.c

_Condition = ColumnElement[bool] | TextClause

# By `batch_id` as well, though it is the same throughout: PostgreSQL would not see that NULLs need no sorting.
_ORDER = (_jobs.batch_id, _jobs.priority.desc(), _jobs.ordinal, _jobs.create_time, _jobs.id)


def take_queued(ledger: Ledger, limit: int, reserved: int, load: ServerLoad) -> Sequence[RowMapping]:
    """Lock the queued jobs to be claimed next, and count their tenants and batches as served.

    Where another replica has locked those whose turn it was, others come instead. URLs beyond `load.url_places` are
    left out: the next claim, which has none, looks past them.
    """
    connection = ledger.connection
    queue = _ALL if load.url_places > 0 else _NOT_URLS
    waiting = _waiting_tenants(connection, queue, load)
    chosen = choose(waiting, partial(_lines, connection, queue, limit, load), limit, reserved, load, ledger.now)
    lacking = sorted(load.lacking_models)
    rows = {party: iter(_first(connection, queue, party, count, lacking)) for party, count in Counter(chosen).items()}
    found = [row for party in chosen if (row := next(rows[party], None)) is not None]
    missing = min(len(chosen) - len(found), limit - reserved - len(found))
    if missing > 0:
        found += _any_other(connection, queue, missing, [row["id"] for row in found], lacking)
    taken = list(_within(found, load.url_places))
    _note_turns(ledger, taken)
    return taken


def put_back_in_line(ledger: Ledger) -> None:
    """Let the jobs be claimed again whose pause is over."""
    due = select(_jobs.id).where(_jobs.not_before <= ledger.now).order_by(_jobs.not_before).limit(PUT_BACK_AT_ONCE)
    ids = ledger.connection.execute(due.with_for_update(skip_locked=True)).scalars().all()
    if ids:
        ledger.connection.execute(update(tables.jobs).where(_jobs.id.in_(ids)).values(not_before=None))


def queue_position(connection: Connection, job: Job) -> int:
    """About how many jobs are claimed up to this one, if turns go round evenly and none of higher rank comes."""
    in_line = _of_line(job.tenant, job.batch_id)
    rank = (_jobs.ordinal, _jobs.create_time, _jobs.id)
    own = tuple_(job.ordinal, job.create_time, job.id, types=[column.type for column in rank])
    before = or_(_jobs.priority > job.priority, and_(_jobs.priority == job.priority, tuple_(*rank) < own))
    turns = _count(connection, *in_line, before) + 1
    # Until then each other batch of the same rank has about as many turns, if it has as many jobs.
    others = connection.execute(
        select(
            func.sum(
                case(
                    (or_(_batches.priority > job.priority, _batches.queued < turns), _batches.queued),
                    else_=turns,
                )
            )
        ).where(
            tables.HAS_QUEUED,
            _batches.tenant == job.tenant,
            _batches.priority >= job.priority,
            _batches.id != job.batch_id,
        )
    ).scalar_one()
    position = turns + int(others or 0)
    ahead = 0
    if job.batch_id:
        singles = _of_line(job.tenant, "")
        position += _count(connection, *singles, _jobs.priority > job.priority)
        position += _count(connection, *singles, _jobs.priority == job.priority, limit=turns)
    for tenant in connection.execute(_ALL.waiting_tenants).scalars().all():
        if tenant != job.tenant:
            ahead += _count(connection, tables.IS_QUEUED, _jobs.tenant == tenant, limit=position)
    return position + ahead


def queue_overview(connection: Connection, time: datetime, max_lines: int) -> QueueOverview:
    """What waits and what runs, of all tenants, with so many of the longest lines; `time` is the store's."""
    running = {row.tenant: row for row in connection.execute(_RUNNING)}
    in_batches = connection.execute(_ALL_BATCHES).one()
    lines = [
        QueueLine(row.tenant, row.id, row.queued, row.running, row.next_queue_time)
        for row in connection.execute(_LONGEST_BATCHES, {"count": max_lines})
        if row.next_queue_time is not None  # else its last ones were claimed before its counts were read
    ]
    singles = []
    for tenant in connection.execute(_ALL.waiting_tenants).scalars().all():
        of_tenant = _of_line(tenant, "")
        queued = _count(connection, *of_tenant, limit=MOST_COUNTED)
        if queued:
            first = select(_jobs.update_time).where(*of_tenant).order_by(*_ORDER).limit(1)
            at_work = running[tenant].jobs - running[tenant].of_batches if tenant in running else 0
            singles.append(QueueLine(tenant, "", queued, at_work, connection.execute(first).scalar_one()))
    times = [line.oldest_queue_time for line in singles]
    return QueueOverview(
        queued=int(in_batches.queued or 0) + sum(line.queued for line in singles),
        running=sum(row.jobs for row in running.values()),
        time=time,
        oldest_queue_time=min(filter(None, [in_batches.next_queue_time, *times]), default=None),
        lines=tuple(sorted(lines + singles, key=lambda line: (-line.queued, line.tenant, line.batch_id))[:max_lines]),
    )


def _tenants_with_queued(is_queued: TextClause) -> Select[Any]:
    """The tenants by a jump from each one's first queued job to the next one's: a DISTINCT would read them all.

    In the whole order of the queue's index, since one by tenant alone would read past all jobs that have ended.
    """
    queued = select(_jobs.tenant).where(is_queued).order_by(_jobs.tenant, *_ORDER).limit(1)
    found = select(queued.where(_jobs.tenant >= "").scalar_subquery().label("id")).cte("waiting", recursive=True)
    following = queued.where(_jobs.tenant > found.c.id).scalar_subquery()
    found = found.union_all(select(following).where(found.c.id.is_not(None)))
    return select(found.c.id).where(found.c.id.is_not(None))


_LACKING: BindParameter[Sequence[str]] = bindparam("lacking", expanding=True)
_CAN_RUN = func.coalesce(func.nullif(_jobs.model, ""), _jobs.wanted_model).not_in(_LACKING)


@dataclass(frozen=True, slots=True)
class _Queue:
    """The statements that claim jobs of one condition, each by the index of that."""

    is_queued: TextClause
    waiting_tenants: Select[Any]
    batches: Select[Any]
    single_files: Select[Any]
    first_of_batch: Select[Any]
    first_single_files: Select[Any]


def _queue(is_queued: TextClause) -> _Queue:
    in_line = (
        select(_jobs.id)
        .where(is_queued, _jobs.tenant == _batches.tenant, _jobs.batch_id == _batches.id)
        .limit(bindparam("count"))
        .correlate(tables.batches)
    )
    # Its counts tell how many of a batch are in line, unless some of them wait for a store.
    none_waits = ~exists().where(_jobs.batch_id == _batches.id, tables.IS_PUT_OFF).correlate(tables.batches)
    counted = none_waits if is_queued is tables.IS_QUEUED else false()
    batches = (
        select(
            _batches.id,
            _batches.priority,
            case(
                (counted, _batches.queued),
                else_=select(func.count()).select_from(in_line.subquery()).scalar_subquery(),
            ).label("queued"),
            _batches.running,
            _batches.served_time,
            _batches.wanted_model,
        )
        .where(
            tables.HAS_QUEUED,
            _batches.tenant == bindparam("of_tenant"),
            _batches.wanted_model.not_in(_LACKING),
            or_(counted, in_line.exists()),
        )
        .order_by(_batches.priority.desc(), _batches.running, _batches.served_time, _batches.id)
        .limit(bindparam("count"))
    )
    single_files = (
        select(_jobs.priority, _jobs.create_time)
        .where(is_queued, _jobs.tenant == bindparam("of_tenant"), _jobs.batch_id.is_(None), _CAN_RUN)
        .order_by(*_ORDER)
        .limit(bindparam("count"))
    )
    first_of_batch, first_single_files = (
        select(tables.jobs)
        .where(is_queued, _jobs.tenant == bindparam("of_tenant"), of_batch, _CAN_RUN)
        .order_by(*_ORDER)
        .limit(bindparam("count"))
        .with_for_update(skip_locked=True)
        for of_batch in (_jobs.batch_id == bindparam("of_batch"), _jobs.batch_id.is_(None))
    )
    waiting_tenants = _tenants_with_queued(is_queued)
    return _Queue(is_queued, waiting_tenants, batches, single_files, first_of_batch, first_single_files)


# Built once: building a statement costs more than executing it.
_ALL = _queue(tables.IS_QUEUED)
_NOT_URLS = _queue(tables.IS_QUEUED_NOT_URL)
_RUNNING = (
    select(_jobs.tenant, func.count().label("jobs"), func.count(_jobs.batch_id).label("of_batches"))
    .where(tables.IS_RUNNING)
    .group_by(_jobs.tenant)
)
_TURNS = select(tables.tenants).where(_tenants.id.in_(bindparam("ids", expanding=True)))
_NEXT_QUEUE_TIME = (
    select(_jobs.update_time)
    .where(tables.IS_QUEUED, _jobs.tenant == _batches.tenant, _jobs.batch_id == _batches.id)
    .order_by(*_ORDER)
    .limit(1)
    .correlate(tables.batches)
    .scalar_subquery()
)
_ALL_BATCHES = select(
    func.sum(_batches.queued).label("queued"), func.min(_NEXT_QUEUE_TIME).label("next_queue_time")
).where(tables.HAS_QUEUED)
_LONGEST_BATCHES = (
    select(_batches.tenant, _batches.id, _batches.queued, _batches.running, _NEXT_QUEUE_TIME.label("next_queue_time"))
    .where(tables.HAS_QUEUED)
    .order_by(_batches.queued.desc(), _batches.id)
    .limit(bindparam("count"))
)


@dataclass(slots=True)
class _WaitingTenant(Tenant):
    single_files_running: int
    single_files_served_time: datetime | None


def _waiting_tenants(connection: Connection, queue: _Queue, load: ServerLoad) -> list[_WaitingTenant]:
    ids = connection.execute(queue.waiting_tenants).scalars().all()
    if not ids:
        return []
    running = {row.tenant: row for row in connection.execute(_RUNNING)}
    transferring = load.transferring_of_tenants()
    turns = {row.id: row for row in connection.execute(_TURNS, {"ids": ids})}
    return [
        _WaitingTenant(
            tenant,
            running=running[tenant].jobs - transferring[tenant] if tenant in running else 0,
            served_time=turns[tenant].served_time if tenant in turns else None,
            single_files_running=running[tenant].jobs - running[tenant].of_batches if tenant in running else 0,
            single_files_served_time=turns[tenant].single_files_served_time if tenant in turns else None,
        )
        for tenant in ids
    ]


def _lines(connection: Connection, queue: _Queue, limit: int, load: ServerLoad, tenant: _WaitingTenant) -> list[Line]:
    held = {party.batch_id: count for party, count in load.transferring().items() if party.tenant == tenant.id}
    # Those that transfer may have as much as they may: so many more are looked at.
    most_looked_at = limit + len(held)
    values = {"of_tenant": tenant.id, "count": most_looked_at, "lacking": sorted(load.lacking_models)}
    lines = [
        Line(
            batch_id,
            priority,
            queued,
            running - held.get(batch_id, 0),
            served_time,
            load.may_still_take(Party(tenant.id, batch_id), queued, running, model),
        )
        for batch_id, priority, queued, running, served_time, model in connection.execute(queue.batches, values)
    ]
    singles = connection.execute(queue.single_files, values).all()
    if singles:
        running = tenant.single_files_running
        served_time = tenant.single_files_served_time or min(row.create_time for row in singles)
        # Where there are more than were looked at, there are enough for all servers.
        most = (
            load.may_still_take(Party(tenant.id, ""), len(singles), running)
            if len(singles) < most_looked_at
            else sys.maxsize
        )
        lines += [
            Line("", priority, count, running - held.get("", 0), served_time, most)
            for priority, count in Counter(row.priority for row in singles).items()
        ]
    return lines


def _first(
    connection: Connection, queue: _Queue, party: Party, count: int, lacking: Sequence[str]
) -> Sequence[RowMapping]:
    values = {"of_tenant": party.tenant, "count": count, "lacking": lacking}
    if party.batch_id:
        return connection.execute(queue.first_of_batch, values | {"of_batch": party.batch_id}).mappings().all()
    return connection.execute(queue.first_single_files, values).mappings().all()


def _within(rows: Iterable[RowMapping], url_places: int) -> Iterator[RowMapping]:
    """The rows without the URLs that find no place."""
    urls = 0
    for row in rows:
        urls += is_url(row["input_uri"])
        if urls <= url_places or not is_url(row["input_uri"]):
            yield row


def _of_line(tenant: str, batch_id: str) -> tuple[_Condition, ...]:
    of_batch = _jobs.batch_id == batch_id if batch_id else _jobs.batch_id.is_(None)
    return tables.IS_QUEUED, _jobs.tenant == tenant, of_batch


def _any_other(
    connection: Connection, queue: _Queue, count: int, taken: Sequence[str], lacking: Sequence[str]
) -> Sequence[RowMapping]:
    others = select(tables.jobs).where(queue.is_queued, _jobs.id.not_in(taken), _CAN_RUN)
    first = others.order_by(_jobs.tenant, *_ORDER).limit(count).with_for_update(skip_locked=True)
    return connection.execute(first, {"lacking": lacking}).mappings().all()


def _note_turns(ledger: Ledger, rows: Sequence[RowMapping]) -> None:
    # In order, as all that is locked, so that two claims never wait for each other crosswise.
    for batch_id in sorted({row["batch_id"] for row in rows} - {""}):
        ledger.change_batch(ledger.batch(batch_id), served_time=ledger.now)
    for tenant in sorted({row["tenant"] for row in rows}):
        times = {"served_time": ledger.now}
        if any(row["tenant"] == tenant and not row["batch_id"] for row in rows):
            times["single_files_served_time"] = ledger.now
        put(ledger.connection, tables.tenants, {"id": tenant} | times)


def _count(connection: Connection, *conditions: _Condition, limit: int | None = None) -> int:
    """How many jobs meet all conditions, counted no further than `limit`."""
    found = select(_jobs.id).where(*conditions).limit(limit).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())
