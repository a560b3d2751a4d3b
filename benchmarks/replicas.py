"""How much faster a batch is done the more replicas there are, where each has a device of its own.

    python -m benchmarks.replicas [--replicas 1 2 4 8] [--files 30 90] [--places 96] [--at-once 4]
                                  [--heard-s 2] [--alone]

One machine has no more processor for more replicas, so here none is needed: each replica is a process with a store,
a dispatcher and heartbeats of its own, on one PostgreSQL, with places for as many files as a server of two cores has.
Its device works on `--at-once` of them, each for half to one and a half times `--heard-s` seconds, whatever runs beside
it. What is lost is lost in sharing the work: replicas that have nothing to do while others have more than they work on,
and waiting for each other in the store. The ideal is all files one after the other on all devices, or the longest file.
`--alone` keeps the replicas from learning of each other, so that each takes what it can.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import time
from contextlib import suppress
from functools import partial
from multiprocessing.synchronize import Barrier, Event
from typing import cast

from batchscribe_server.domain.job import State
from batchscribe_server.domain.replica import ReplicaReport, ReplicaState
from batchscribe_server.operations.dispatch import Dispatch, DispatchLimits
from batchscribe_server.operations.fleet_models import FleetModels
from batchscribe_server.operations.models import Models
from batchscribe_server.operations.places import Place, PlaceLimits, Places
from batchscribe_server.operations.presence import Presence, PresenceLimits
from batchscribe_server.operations.run_store import Advance, Claim, Outcome
from batchscribe_server.operations.transcriber import Transcriber
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store.store import SqlStore
from benchmarks import machine
from benchmarks.queued_jobs import MEDIA, SECOND, check_all_succeeded, fill_batch
from tests.postgres_server import postgres_server

BEAT_S = 5.0
POLL_S = 0.05


class ReadyDevice:
    """What a dispatcher asks of a transcriber before it claims."""

    async def wait_ready(self) -> None:
        """It always is."""


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--files", type=int, nargs="+", default=[30, 90])
    parser.add_argument("--places", type=int, default=96)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--heard-s", type=float, default=2.0)
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    for name, value in machine.described().items():
        print(f"- {name}: {value}")
    print("\n| files | replicas | took, s | ideal, s | of the ideal |")
    print("| --- | --- | --- | --- | --- |")
    with postgres_server(durable=True) as postgres:
        for files in options.files:
            for replicas in options.replicas:
                database = asyncio.run(postgres.create_database())
                took_s = _measured(database, files, replicas, options)
                lengths_s = [_heard_s(number, options) for number in range(files)]
                ideal_s = max(sum(lengths_s) / (options.at_once * replicas), *lengths_s)
                print(f"| {files} | {replicas} | {took_s:.1f} | {ideal_s:.1f} | {ideal_s / took_s:.2f} |", flush=True)


def _measured(database: str, files: int, replicas: int, options: argparse.Namespace) -> float:
    """The seconds from when a batch is there until it has ended."""
    asyncio.run(_create(database))
    context = multiprocessing.get_context("spawn")
    together, over = context.Barrier(replicas + 1), context.Event()
    processes = [
        context.Process(target=_replica, args=(database, f"replica-{number}", options, together, over))
        for number in range(replicas)
    ]
    for process in processes:
        process.start()
    together.wait()
    took_s = asyncio.run(_done(database, files))
    over.set()
    for process in processes:
        process.join()
    return took_s


def _no_priorities(job_id: str, priority: int) -> None:
    """The batch keeps the one that it has."""


async def _create(database: str) -> None:
    async with SqlStore.open(database, Wakeups()):
        pass


async def _done(database: str, files: int) -> float:
    async with SqlStore.open(database, Wakeups()) as store:
        start_s = time.perf_counter()
        batch = await fill_batch(store, "tenant", files)
        while not batch.state.terminal:
            await asyncio.sleep(POLL_S)
            batch = await store.get_batch("tenant", batch.id)
        took_s = time.perf_counter() - start_s
    await check_all_succeeded(database, files, [batch])
    return took_s


def _replica(database: str, name: str, options: argparse.Namespace, together: Barrier, over: Event) -> None:
    asyncio.run(_run_replica(database, name, options, together, over))


async def _run_replica(database: str, name: str, options: argparse.Namespace, together: Barrier, over: Event) -> None:
    wakeups = Wakeups()
    async with SqlStore.open(database, wakeups) as store:
        places = Places(PlaceLimits(options.places, max_transferring=options.places))
        dispatch = Dispatch(
            store,
            cast("Transcriber", ReadyDevice()),
            wakeups,
            partial(_hear, store, asyncio.Semaphore(options.at_once), options),
            _no_priorities,
            name,
            places,
            DispatchLimits(),
        )

        # None of them tells of any, so nobody is asked for one.
        no_models = FleetModels(cast("Models", None), alone=False)

        def report(_: bool) -> ReplicaReport:
            return ReplicaReport(
                name, "", "", "", ReplicaState.SERVING, dispatch.running, max_running_jobs=options.places, device=""
            )

        presence = Presence(store, wakeups, dispatch, no_models, report, PresenceLimits(BEAT_S))
        await store.beat(report(False))
        await asyncio.to_thread(together.wait)  # so that each knows of all from its first heartbeat on
        running = [asyncio.create_task(dispatch.run())]
        if not options.alone:
            running.append(asyncio.create_task(presence.run()))
        await asyncio.to_thread(over.wait)
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError):
                await task


async def _hear(
    store: SqlStore, device: asyncio.Semaphore, options: argparse.Namespace, claim: Claim, place: Place
) -> None:
    async with place.heard():
        await store.describe(claim, MEDIA, "base", "fingerprint")
        async with device:
            await asyncio.sleep(_heard_s(claim.job.ordinal, options))
        await store.advance(claim, Advance((SECOND,), media_segments_done=1, processed_ms=MEDIA.duration_ms))
    await store.finish(claim, Outcome(State.SUCCEEDED, audio_duration_ms=MEDIA.duration_ms))


def _heard_s(ordinal: int, options: argparse.Namespace) -> float:
    """How long a file of the batch is heard: the same in each run."""
    return float(options.heard_s) * random.Random(ordinal).uniform(0.5, 1.5)


if __name__ == "__main__":
    main()
