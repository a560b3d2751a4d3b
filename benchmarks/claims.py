"""How fast replicas take jobs off one PostgreSQL, and how long they stand in each other's way.

    python -m benchmarks.claims [--jobs 10000] [--claimers 8] [--tenants 4] [--batches 3] [--at-once 1]
                                [--segments 1]

Each claimer is a process with a store of its own, as a replica is, but runs nothing: it claims a job, stores what its
file is and one segment of it (or more) and finishes it, four transactions, as fast as it can. Every tenant has that
many batches of equal size, and a tenth of its jobs are single files. `--at-once` is how many jobs one claim takes at
most; those are then run at the same time.

Waits for locks are sampled: the number is how many claimers, on average, stood waiting for a row another one held. The
processor's time is told beside the rate, since it depends less on what else runs on the machine. At the end every job
must have succeeded in its first attempt, and the counts of every batch must be right.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.queues import Queue
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.job import State
from batchscribe_server.operations.run_store import Advance, Claim, Outcome
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.store import SqlStore
from benchmarks import machine
from benchmarks.queued_jobs import MEDIA, SECOND, check_all_succeeded, fill_batch, new_job
from tests.postgres_server import postgres_server

LEASE_S = 60.0
SAMPLE_S = 0.01
SINGLE_FILES = 0.1


@dataclass(slots=True)
class Times:
    """What one claimer's calls took, in seconds, and its processor. `empty` counts the claims that brought nothing."""

    claim: list[float] = field(default_factory=list)
    describe: list[float] = field(default_factory=list)
    advance: list[float] = field(default_factory=list)
    finish: list[float] = field(default_factory=list)
    empty: int = 0
    processor_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ToldByServer:
    """What the database counted since the claimers began. Besides writes, opening a store rolls back once.

    `hot` is the share of a table's updates that had to write into none of its indexes.
    """

    deadlocks: int
    rolled_back: int
    wal_bytes: int
    hot: dict[str, float]


@dataclass(slots=True)
class Waits:
    """What the database said of its backends while the claimers ran."""

    samples: int = 0
    waiting: int = 0
    of_kinds: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--claimers", type=int, default=8)
    parser.add_argument("--tenants", type=int, default=4)
    parser.add_argument("--batches", type=int, default=3, help="of each tenant; default 3")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--segments", type=int, default=1, help="of each job, each in a transaction; default 1")
    options = parser.parse_args()
    for name, value in machine.described().items():
        print(f"- {name}: {value}")
    with postgres_server(durable=True) as postgres:
        database = asyncio.run(postgres.create_database())
        postmaster = psutil.Process(asyncio.run(_postmaster(database)))
        batches = asyncio.run(_fill(database, options.jobs, options.tenants, options.batches))
        filled_s = _processor_of_backends_s(postmaster)
        print(f"- PostgreSQL: {asyncio.run(_version(database))}")
        took_s, times, waits = _measured(database, options)
        backends_s = _processor_of_backends_s(postmaster) - filled_s
        server = asyncio.run(_told_by_server(database))
        asyncio.run(check_all_succeeded(database, options.jobs, batches))
    print(
        f"\n{options.jobs:,} jobs in {len(batches)} batches of {options.tenants} tenants and as single files, "
        f"{options.claimers} claimers, {options.at_once} at once\n"
    )
    processor_s = sum(claimer.processor_s for claimer in times)
    print(
        f"{options.jobs / took_s:.0f} jobs a second, from claim to end: {took_s:.1f} s; "
        f"of the processor {processor_s / options.jobs * 1e3:.1f} ms of the claimers and "
        f"{backends_s / options.jobs * 1e3:.1f} ms of the database for each\n"
    )
    print("| call | calls | p50, ms | p99, ms | most, ms |")
    print("| --- | --- | --- | --- | --- |")
    for call in ("claim", "describe", "advance", "finish"):
        taken_s = [each for claimer in times for each in getattr(claimer, call)]
        p50, p99 = percentiles(taken_s)
        print(f"| {call} | {len(taken_s)} | {p50 * 1e3:.1f} | {p99 * 1e3:.1f} | {max(taken_s) * 1e3:.1f} |")
    print(f"\nClaims that brought nothing: {sum(claimer.empty for claimer in times)}")
    print(f"Claimers that waited for a lock, on average: {waits.waiting / max(waits.samples, 1):.2f}")
    for statement, count in waits.of_kinds.most_common():
        print(f"  {count / waits.samples:.2f}  {statement}")
    print(f"Deadlocks: {server.deadlocks}; transactions rolled back, whether tried again or not: {server.rolled_back}")
    print(f"Updates that touched no index: jobs {server.hot['jobs']:.0%}, batches {server.hot['batches']:.0%}")
    print(f"Written ahead: {server.wal_bytes / options.jobs / 1024:.1f} KiB for each job")


def percentiles(taken_s: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile."""
    return statistics.median(taken_s), statistics.quantiles(taken_s, n=100, method="inclusive")[98]


async def _fill(database: str, jobs: int, tenants: int, batches: int) -> list[Batch]:
    async with SqlStore.open(database, Wakeups()) as store:
        filled = []
        for tenant_number in range(tenants):
            tenant = f"tenant-{tenant_number}"
            share = jobs // tenants + (tenant_number < jobs % tenants)
            singles = int(share * SINGLE_FILES) if batches else share
            for _ in range(singles):
                await store.create_job(new_job(tenant, 0))
            for batch_number in range(batches):
                files = (share - singles) // batches + (batch_number < (share - singles) % batches)
                filled.append(await fill_batch(store, tenant, files))
    connection = await asyncpg.connect(database)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.execute("SELECT pg_stat_reset()")
    await connection.execute("SELECT pg_stat_reset_shared('wal')")
    await connection.close()
    return filled


def _measured(database: str, options: argparse.Namespace) -> tuple[float, list[Times], Waits]:
    """Let all claimers begin together; the time ends when the last of them found nothing more."""
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(options.claimers + 1)
    left = context.Value("q", options.jobs)
    results: Queue[Times] = context.Queue()
    processes = [
        context.Process(target=_claim_all, args=(database, f"claimer-{number}", options, left, together, results))
        for number in range(options.claimers)
    ]
    for process in processes:
        process.start()
    together.wait()
    start_s = time.perf_counter()
    waits = asyncio.run(_sampled(database, left))
    times = [results.get() for _ in processes]
    took_s = time.perf_counter() - start_s
    for process in processes:
        process.join()
    return took_s, times, waits


def _claim_all(
    database: str,
    owner: str,
    options: argparse.Namespace,
    left: Synchronized[int],
    together: Barrier,
    results: Queue[Times],
) -> None:
    results.put(asyncio.run(_claimed(database, owner, options, left, together)))


async def _claimed(
    database: str, owner: str, options: argparse.Namespace, left: Synchronized[int], together: Barrier
) -> Times:
    times = Times()
    async with SqlStore.open(database, Wakeups()) as store:
        await asyncio.to_thread(together.wait)
        began_s = time.process_time()
        while left.value > 0:
            with _timed(times.claim):
                claims = await store.claim(owner, options.at_once, LEASE_S)
            if not claims:
                times.empty += 1
                continue
            with left.get_lock():
                left.value -= len(claims)
            await asyncio.gather(*(_run(store, claim, options.segments, times) for claim in claims))
        times.processor_s = time.process_time() - began_s
    return times


async def _run(store: SqlStore, claim: Claim, segments: int, times: Times) -> None:
    duration_ms = segments * 1000
    with _timed(times.describe):
        await store.describe(claim, replace(MEDIA, duration_ms=duration_ms), "base", "fingerprint")
    for index in range(segments):
        step = Advance((replace(SECOND, index=index),), media_segments_done=index + 1, processed_ms=(index + 1) * 1000)
        with _timed(times.advance):
            await store.advance(claim, step)
    with _timed(times.finish):
        await store.finish(claim, Outcome(State.SUCCEEDED, audio_duration_ms=duration_ms))


@contextmanager
def _timed(taken_s: list[float]) -> Iterator[None]:
    start_s = time.perf_counter()
    yield
    taken_s.append(time.perf_counter() - start_s)


async def _sampled(database: str, left: Synchronized[int]) -> Waits:
    waits = Waits()
    connection = await asyncpg.connect(database)
    while left.value > 0:
        rows = await connection.fetch(
            "SELECT regexp_replace(left(query, 30), '\\s+', ' ', 'g') AS statement FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        waits.samples += 1
        waits.waiting += len(rows)
        waits.of_kinds.update(row["statement"] for row in rows)
        await asyncio.sleep(SAMPLE_S)
    await connection.close()
    return waits


async def _told_by_server(database: str) -> ToldByServer:
    connection = await asyncpg.connect(database)
    row: Any = await connection.fetchrow(
        "SELECT deadlocks, xact_rollback, (SELECT wal_bytes FROM pg_stat_wal) AS wal_bytes "
        "FROM pg_stat_database WHERE datname = current_database()"
    )
    updates = await connection.fetch(
        "SELECT relname, n_tup_hot_upd::float / greatest(n_tup_upd, 1) AS hot FROM pg_stat_user_tables"
    )
    await connection.close()
    return ToldByServer(
        int(row["deadlocks"]),
        int(row["xact_rollback"]),
        int(row["wal_bytes"]),
        {each["relname"]: each["hot"] for each in updates},
    )


async def _postmaster(database: str) -> int:
    connection = await asyncpg.connect(database)
    folder = await connection.fetchval("SHOW data_directory")
    await connection.close()
    return int((Path(folder) / "postmaster.pid").read_text().split()[0])


def _processor_of_backends_s(postmaster: psutil.Process) -> float:
    """What all that served a connection have used which is closed by now."""
    times = postmaster.cpu_times()
    return float(times.children_user + times.children_system)


async def _version(database: str) -> str:
    connection = await asyncpg.connect(database)
    version = str(await connection.fetchval("SHOW server_version"))
    await connection.close()
    return version


if __name__ == "__main__":
    main()
