"""How PostgreSQL answers what the store asks of it most, at a million jobs.

    python -m benchmarks.plans [--jobs 1000000] [--verbose]

The tables are filled by SQL: nearly all jobs have ended, 4 in 100 wait, 2 in 1,000 run; a tenth are in one batch, a
tenth in none and the others in batches of some hundreds, of five tenants. Then the store is called as the service calls
it, and each of its statements is explained with the values it came with just before it is executed: what is read is
timed as well (EXPLAIN ANALYZE), what is written only planned.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import Connection, Engine, Table, event

from batchscribe_server.domain.batch import Batch, PrefixInput
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.media import Media
from batchscribe_server.operations.run_store import Advance, Outcome
from batchscribe_server.operations.store import ListQuery
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import tables
from batchscribe_server.store.store import SqlStore
from benchmarks import machine
from benchmarks.queued_jobs import MEDIA, SECOND
from tests.postgres_server import postgres_server

LARGE_TABLES = frozenset({"jobs", "events", "segments", "media"})
"""Those that grow with the jobs: nothing may read one of them from end to end."""

TENANT = "tenant-1"
LARGE_BATCH = "batch-large"
LEASE_S = 30.0
A_DAY_S = 86_400.0
PAGE = 50

_JSON = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Plan:
    """How one statement of a call was to be executed. `took_ms` is None for one that writes."""

    call: str
    statement: str
    reads: tuple[str, ...]
    scanned: frozenset[str]
    took_ms: float | None


@dataclass(slots=True)
class Explained:
    """The plans of all statements while `explaining`; each distinct one of a call once."""

    call: str = ""
    plans: dict[tuple[str, str], Plan] = field(default_factory=dict)


def main() -> None:
    """Fill a database, and print how each statement is executed there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--verbose", action="store_true", help="print the statements whole")
    options = parser.parse_args()
    for name, value in machine.described().items():
        print(f"- {name}: {value}")
    with postgres_server(durable=True) as postgres:
        database = asyncio.run(postgres.create_database())
        start_s = time.perf_counter()
        asyncio.run(fill(database, options.jobs))
        print(f"- filled with {options.jobs:,} jobs in {time.perf_counter() - start_s:.0f} s\n")
        plans = asyncio.run(plans_of_store(database))
    print("| call | statement | ms | reads |")
    print("| --- | --- | --- | --- |")
    for plan in plans:
        took = "" if plan.took_ms is None else f"{plan.took_ms:.2f}"
        statement = plan.statement if options.verbose else _in_short(plan.statement)
        print(f"| {plan.call} | {statement} | {took} | {'; '.join(plan.reads)} |")
    scanning = [plan for plan in plans if plan.scanned]
    print(f"\nStatements that read a large table from end to end: {len(scanning)} of {len(plans)}")


async def fill(database: str, jobs: int) -> None:
    """Bring an empty database to the state described above, with statistics as autovacuum would take them."""
    async with SqlStore.open(database, Wakeups()) as store:
        now = datetime.now(UTC)
        await store.create_batch(Batch(id="model", input=PrefixInput("s3://calls/"), create_time=now, update_time=now))
        await store.create_job(Job(id="model", input_uri="s3://calls/0.wav", create_time=now, update_time=now))
        await store.create_media(Media("model", "0.wav", 1000, "0" * 64, "0", now, now))
    connection = await asyncpg.connect(database)
    for statement in _filling(jobs):
        await connection.execute(statement)
    for table in tables.metadata.tables:
        await connection.execute(f'VACUUM ANALYZE "{table}"')
    await connection.close()


async def plans_of_store(database: str) -> list[Plan]:
    """The plans of the store's hot calls on a database that `fill` filled."""
    explained = Explained()
    async with SqlStore.open(database, Wakeups()) as store:
        with explaining(explained):
            for call, ask in _calls(store):
                explained.call = call
                await ask()
    return list(explained.plans.values())


@contextmanager
def explaining(explained: Explained) -> Iterator[None]:
    """Explain every statement of this process that is executed meanwhile."""
    busy = False

    def explain(connection: Connection, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        nonlocal busy
        text = " ".join(statement.split())
        if (
            busy
            or not text.startswith(("SELECT", "WITH", "UPDATE", "DELETE"))
            or (explained.call, text) in explained.plans
        ):
            return
        reads_only = text.startswith(("SELECT", "WITH"))
        busy = True
        try:
            rows = connection.exec_driver_sql(
                f"EXPLAIN (FORMAT JSON{', ANALYZE' if reads_only else ''}) {statement}",
                values[0] if isinstance(values, list) else values,
            )
            answer = rows.scalar_one()
        finally:
            busy = False
        (whole,) = _JSON.decode(answer) if isinstance(answer, str) else answer
        nodes = list(_nodes(whole["Plan"]))
        explained.plans[explained.call, text] = Plan(
            explained.call,
            text,
            tuple(dict.fromkeys(_described(node) for node in nodes if {"Relation Name", "Index Name"} & node.keys())),
            frozenset(node["Relation Name"] for node in nodes if _is_scan(node)) & LARGE_TABLES,
            whole.get("Execution Time"),
        )

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


def _calls(store: SqlStore) -> Iterator[tuple[str, Callable[[], Awaitable[Any]]]]:
    def listed(**fields: Any) -> Callable[[], Awaitable[Any]]:
        return lambda: store.list_jobs(ListQuery(TENANT, PAGE, **fields))

    async def run_one() -> None:
        (claim,) = await store.claim("planner", 1, LEASE_S)
        await store.begin_hearing(claim)
        await store.describe(claim, MEDIA, "base", "fingerprint")
        await store.advance(claim, Advance((SECOND,), media_segments_done=1, processed_ms=1000))
        await store.finish(claim, Outcome(State.SUCCEEDED, audio_duration_ms=1000))

    async def renew() -> None:
        claims = await store.claim("planner", 8, LEASE_S)
        await store.renew("planner", LEASE_S, [claim.job.id for claim in claims])

    async def place_in_queue() -> None:
        page = await store.list_jobs(ListQuery(TENANT, 1, states=(State.QUEUED,)))
        await store.queue_position(page.items[0])

    async def second_page() -> None:
        page = await store.list_jobs(ListQuery(TENANT, PAGE, batch_id=LARGE_BATCH))
        await store.list_jobs(ListQuery(TENANT, PAGE, page.next_page_token, batch_id=LARGE_BATCH))

    yield "claim, run, finish", run_one
    yield "claim 8, renew", renew
    yield "recover", lambda: store.recover(5, exclusive_owner=False)
    yield "place in the queue", place_in_queue
    yield "list jobs", listed()
    yield "list jobs, queued", listed(states=(State.QUEUED,))
    yield "list jobs, failed", listed(states=(State.FAILED,))
    yield "list jobs, of a batch", second_page
    yield "list jobs, failed of a batch", listed(batch_id=LARGE_BATCH, states=(State.FAILED,))
    yield "list jobs, by reference", listed(reference_id="reference-77")
    yield "list jobs, by label", listed(labels={"customer": "customer-7"})
    yield "list jobs, by URI", listed(uri="s3://calls/77.wav")
    yield "list batches", lambda: store.list_batches(ListQuery(TENANT, PAGE))
    yield "list batches, running", lambda: store.list_batches(ListQuery(TENANT, PAGE, states=(State.RUNNING,)))
    yield "events of a job", lambda: store.read_events("jobs/job-000000900", 1, 100)
    yield "events of a batch", lambda: store.read_events(f"batches/{LARGE_BATCH}", 1000, 100)
    yield "unscanned batches", store.unscanned_batches
    yield "unreported batches", lambda: store.unreported_batches(10)
    yield "deletions", lambda: store.deletions(10)
    yield "expired jobs", lambda: store.expire_jobs(100)
    yield "expired batches", lambda: store.expire_batches(10)
    yield "unused media", lambda: store.unused_media(100)
    yield "old history", lambda: store.purge_history(A_DAY_S, 1000)
    yield "cancel a batch", lambda: store.cancel_batch(TENANT, LARGE_BATCH)


def _filling(jobs: int) -> Iterator[str]:
    """The statements that fill the tables by copying their one row, a job a second until now."""
    now = "(extract(epoch FROM now()) * 1000000)::bigint"
    created = f"{now} - ({jobs} - n) * 1000000"
    ended, running = int(jobs * 0.958), int(jobs * 0.96)
    batches = jobs // 500
    kept = f"(n > {jobs // 2})"
    state = (
        f"CASE WHEN n > {running} THEN 'QUEUED' WHEN n > {ended} THEN 'RUNNING' "
        "WHEN n % 100 = 7 THEN 'FAILED' ELSE 'SUCCEEDED' END"
    )
    batch_number = f"(1 + n * {batches} / {jobs + 1})"
    large = "n % 10 = 0"
    tenant = f"'tenant-' || CASE WHEN {large} THEN 1 ELSE {batch_number} % 5 END"
    of_batch = {"id": "'batch-' || lpad(n::text, 9, '0')", "tenant": "'tenant-' || n % 5", "scanned": "true"}
    yield _copied(tables.batches, of_batch | {"create_time": f"{now} - ({batches} - n) * 500000000"}, batches)
    yield _copied(tables.batches, {"id": f"'{LARGE_BATCH}'", "tenant": f"'{TENANT}'", "scanned": "true"}, 1)
    yield _copied(
        tables.jobs,
        {
            "id": "'job-' || lpad(n::text, 9, '0')",
            "tenant": tenant,
            "batch_id": f"CASE WHEN {large} THEN '{LARGE_BATCH}' WHEN n % 10 <> 1 "
            f"THEN 'batch-' || lpad({batch_number}::text, 9, '0') END",
            "ordinal": "n",
            "input_uri": "'s3://calls/' || n || '.wav'",
            "media_id": "CASE WHEN n % 20 = 1 THEN 'media-' || n END",
            "reference_id": "'reference-' || n / 10",
            "labels": "json_build_object('customer', 'customer-' || n % 1000)",
            "state": state,
            "attempt": f"(n <= {running})::int",
            "lease_owner": f"CASE WHEN n > {ended} AND n <= {running} THEN 'replica-' || n % 8 END",
            "lease_expire_time": f"CASE WHEN n > {ended} AND n <= {running} THEN {now} + (n % 100 - 1) * 1000000 END",
            "sequence": "3",
            "history_start": f"CASE WHEN {kept} THEN 1 ELSE 4 END",
            "history_purged": f"NOT {kept}",
            "create_time": created,
            "finish_time": f"CASE WHEN n <= {ended} THEN {created} + 60000000 END",
            "expire_time": f"CASE WHEN n <= {ended} AND n % 10 = 1 THEN {created} + {jobs // 4 * 3}000000 END",
        },
        jobs,
    )
    yield (
        "UPDATE batches SET queued = q, running = r, succeeded = s, failed = f, served_time = batches.create_time, "
        "state = CASE WHEN q + r = 0 THEN 'SUCCEEDED' ELSE 'RUNNING' END, sequence = 2 * (q + r + s + f), "
        "start_time = batches.create_time FROM (SELECT batch_id, count(*) FILTER (WHERE state = 'QUEUED') AS q, "
        "count(*) FILTER (WHERE state = 'RUNNING') AS r, count(*) FILTER (WHERE state = 'SUCCEEDED') AS s, "
        "count(*) FILTER (WHERE state = 'FAILED') AS f FROM jobs GROUP BY batch_id) AS counted WHERE id = batch_id"
    )
    for sequence in (1, 2, 3):
        of_job = {"resource": "'jobs/job-' || lpad(n::text, 9, '0')", "sequence": str(sequence)}
        yield _copied(tables.events, of_job, jobs, model="resource = 'jobs/model'", where=kept)
    yield _copied(
        tables.events,
        {"resource": f"'batches/{LARGE_BATCH}'", "sequence": "n"},
        jobs // 5,
        model="resource = 'batches/model'",
    )
    yield (
        "INSERT INTO segments (job_id, index, start_ms, end_ms, text, language, confidence, words) "
        "SELECT 'job-' || lpad(n::text, 9, '0'), 0, 0, 1000, 'hello', 'en', 0.8, '[]' "
        f"FROM generate_series(1, {ended}, 5) AS n WHERE {kept}"
    )
    yield _copied(
        tables.media,
        {"id": "'media-' || n", "expire_time": f"{created} + {jobs // 2}000000"},
        jobs,
        where="n % 20 = 1",
    )
    for table in (tables.jobs, tables.batches, tables.media):
        yield f"DELETE FROM {table.name} WHERE id = 'model'"


def _copied(
    table: Table, columns: dict[str, str], rows: int, *, model: str = "id = 'model'", where: str = "true"
) -> str:
    """Copies a row `rows` times, with `n` from 1 on, but for the columns that are given as SQL."""
    names = [column.name for column in table.columns]
    values = ", ".join(columns.get(name, f'model."{name}"') for name in names)
    quoted = ", ".join(f'"{name}"' for name in names)
    return (
        f"INSERT INTO {table.name} ({quoted}) SELECT {values} FROM generate_series(1::bigint, {rows}) AS n, "
        f"(SELECT * FROM {table.name} WHERE {model} LIMIT 1) AS model WHERE {where}"
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _is_scan(node: dict[str, Any]) -> bool:
    return bool(node["Node Type"] == "Seq Scan") and "Relation Name" in node


def _described(node: dict[str, Any]) -> str:
    index = f" {node['Index Name']}" if "Index Name" in node else ""
    dropped = node.get("Rows Removed by Filter", 0) * node.get("Actual Loops", 1)
    filtered = f", {dropped:.0f} rows left out" if dropped else ""
    return f"{node['Node Type']} {node.get('Relation Name', '')}{index}{filtered}".replace("  ", " ")


def _in_short(statement: str) -> str:
    words = statement.split(" FROM ", 1)
    return (words[0][:25] + " … FROM " + words[1] if len(words) == 2 else statement)[:110].replace("|", "/")


if __name__ == "__main__":
    main()
