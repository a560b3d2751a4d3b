"""What a scan of a large prefix takes: a real S3 server, so many objects, and the batch's jobs in a real store.

    python -m benchmarks.scan [--objects 100000] [--rounds 3]

Beside the scan stand its two parts alone: aioboto3 listing the same prefix page by page, and the store taking the same
jobs in the same chunks. Memory is this process's, and told for each quarter of a scan: it is flat where nothing grows
with the number of objects.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import aioboto3
import psutil
from cryptography.fernet import Fernet
from uuid_utils.compat import uuid7

from batchscribe_server.domain.batch import Batch, PrefixInput
from batchscribe_server.domain.job import Job
from batchscribe_server.operations.access import ReachStorages
from batchscribe_server.operations.duties import Duties
from batchscribe_server.operations.scan_batch import ScanBatches
from batchscribe_server.operations.scan_manifest import ScanManifest
from batchscribe_server.operations.store import ScanChunk
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.storage.by_access import StoragesByAccess
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.objects import FOUND_AT_ONCE
from batchscribe_server.storage.pool import StoragePool
from batchscribe_server.storage.s3 import S3Storage
from batchscribe_server.storage.s3_options import S3Options
from batchscribe_server.storage.seal import FernetSeal
from batchscribe_server.store.store import SqlStore
from benchmarks import machine
from tests.object_store import OWNER, object_store

BUCKET = "calls"
PREFIX = "recordings/"
REGION = "us-east-1"
WRITERS = 64
SAMPLE_S = 0.05


@dataclass(slots=True)
class Memory:
    """This process's memory while something runs, in bytes."""

    samples: list[int] = field(default_factory=list)

    def quarters_mb(self) -> list[float]:
        """The most in each quarter of the time."""
        size = max(1, len(self.samples) // 4)
        return [max(self.samples[start : start + size]) / 1e6 for start in range(0, 4 * size, size)]

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Sample until the context ends."""
        process = psutil.Process()

        async def sample() -> None:
            while True:
                self.samples.append(process.memory_info().rss)
                await asyncio.sleep(SAMPLE_S)

        task = asyncio.create_task(sample())
        try:
            yield
        finally:
            task.cancel()


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name, value in machine.described().items():
        print(f"- {name}: {value}")
    with tempfile.TemporaryDirectory() as folder, object_store(Path(folder)) as endpoint:
        asyncio.run(_measure(endpoint, Path(folder), options.objects, options.rounds))


async def _measure(endpoint: str, folder: Path, objects: int, rounds: int) -> None:
    await _fill(endpoint, objects)
    print(f"\n{objects:,} objects below one prefix\n")
    print("| round | listing alone, s | inserts alone, s | scan, s | scan against both | MB, by quarters of the scan |")
    print("| --- | --- | --- | --- | --- | --- |")
    ratios = []
    for number in range(1, rounds + 1):
        listing_s, keys = await _listed(endpoint)
        assert len(keys) == objects
        inserts_s = await _inserted(folder / f"inserts-{number}.db", keys)
        del keys
        scan_s, memory = await _scanned(endpoint, folder, number, objects)
        ratios.append(scan_s / (listing_s + inserts_s))
        quarters = ", ".join(f"{most_mb:.0f}" for most_mb in memory.quarters_mb())
        print(
            f"| {number} | {listing_s:.1f} | {inserts_s:.1f} | {scan_s:.1f} | {ratios[-1]:.2f} | {quarters} |",
            flush=True,
        )
    print(f"\nMedian of the scan against both: {statistics.median(ratios):.2f}")


async def _fill(endpoint: str, objects: int) -> None:
    numbers = iter(range(objects))

    async def write(client: Any) -> None:
        for number in numbers:
            await client.put_object(Bucket=BUCKET, Key=f"{PREFIX}{number // 1000:04}/{number:07}.wav", Body=b"sound")

    async with _client(endpoint) as client:
        await client.create_bucket(Bucket=BUCKET)
        await asyncio.gather(*(write(client) for _ in range(WRITERS)))


async def _listed(endpoint: str) -> tuple[float, list[str]]:
    keys: list[str] = []
    async with _client(endpoint) as client:
        start_s = time.perf_counter()
        async for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX):
            keys += [each["Key"] for each in page.get("Contents", ())]
        return time.perf_counter() - start_s, keys


async def _inserted(database: Path, keys: Sequence[str]) -> float:
    batch = _batch()
    async with SqlStore.open(f"sqlite:///{database}", Wakeups()) as store:
        batch = await store.create_batch(batch)
        start_s = time.perf_counter()
        for begin in range(0, len(keys), FOUND_AT_ONCE):
            chunk = keys[begin : begin + FOUND_AT_ONCE]
            jobs = tuple(_job(batch, begin + place, key) for place, key in enumerate(chunk))
            await store.add_scanned(batch, ScanChunk(jobs, chunk[-1].removeprefix(PREFIX)))
        await store.finish_scan(batch)
        return time.perf_counter() - start_s


async def _scanned(endpoint: str, folder: Path, number: int, objects: int) -> tuple[float, Memory]:
    batch, memory, wakeups = _batch(), Memory(), Wakeups()
    options = S3Options(frozenset({BUCKET}), endpoint, REGION, *OWNER)
    fetched = FetchedFiles(folder / "fetched", 1)
    async with (
        SqlStore.open(f"sqlite:///{folder / f'scan-{number}.db'}", wakeups) as store,
        StoragePool[S3Options](lambda chosen: S3Storage(chosen, fetched)) as pool,
    ):
        storages = StoragesByAccess({}, pool, options, {}, frozenset())
        reach = ReachStorages(store, storages, FernetSeal([Fernet.generate_key().decode()]))
        no_manifest = cast(ScanManifest, None)  # the batch is a prefix
        scan = ScanBatches(store, reach, no_manifest, wakeups, _new_id, _now, Duties())
        created = await store.create_batch(batch)
        async with memory.watched():
            start_s = time.perf_counter()
            await scan.scan(created)
            took_s = time.perf_counter() - start_s
        assert (await store.get_batch(batch.tenant, batch.id)).counts.total == objects
    return took_s, memory


def _batch() -> Batch:
    return Batch(id=_new_id(), input=PrefixInput(f"s3://{BUCKET}/{PREFIX}"), create_time=_now(), update_time=_now())


def _job(batch: Batch, ordinal: int, key: str) -> Job:
    time = _now()
    return Job(
        id=_new_id(),
        batch_id=batch.id,
        ordinal=ordinal,
        input_uri=f"s3://{BUCKET}/{key}",
        relative_path=key.removeprefix(PREFIX),
        create_time=time,
        update_time=time,
    )


def _client(endpoint: str) -> Any:
    return aioboto3.Session(*OWNER, region_name=REGION).client("s3", endpoint_url=endpoint)


def _new_id() -> str:
    return str(uuid7())


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
