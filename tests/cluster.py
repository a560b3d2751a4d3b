"""Several servers on one PostgreSQL and one S3 server behind one gateway: real processes, to be killed one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from tests.object_store import OWNER, object_store, owners_client
from tests.postgres_server import PostgresServer, postgres_server
from tests.running_gateway import RunningGateway, running_gateway
from tests.running_server import RunningServer

BUCKETS = ("calls", "transcripts")
"""What clients may name; the service's own is "media"."""

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Cluster:
    """All of it; `environment` is what each replica is started with."""

    postgres: PostgresServer
    endpoint: str
    replicas: tuple[RunningServer, ...]
    gateway: RunningGateway
    environment: dict[str, str]

    def start(self, replica: RunningServer) -> None:
        """Start a replica again."""
        replica.start(**self.environment)

    async def put(self, objects: dict[str, Path]) -> None:
        """Put files into the bucket "calls"."""
        async with owners_client(self.endpoint) as client:
            for key, path in objects.items():
                await client.put_object(Bucket="calls", Key=key, Body=await asyncio.to_thread(path.read_bytes))

    async def written(self) -> dict[str, str]:
        """What lies in the bucket "transcripts", by its keys."""
        found = {}
        async with owners_client(self.endpoint) as client:
            async for page in client.get_paginator("list_objects_v2").paginate(Bucket="transcripts"):
                for each in page.get("Contents", ()):
                    answer = await client.get_object(Bucket="transcripts", Key=each["Key"])
                    found[each["Key"]] = (await answer["Body"].read()).decode()
        return found


@contextmanager
def running_cluster(
    folder: Path, replicas: int, *options: str, gateway_options: tuple[str, ...] = (), **environment: str
) -> Iterator[Cluster]:
    """A started cluster, every replica of which is healthy in the gateway's eyes; gone afterwards."""
    with ExitStack() as stack:
        (folder / "store").mkdir(parents=True)
        endpoint = stack.enter_context(object_store(folder / "store"))
        postgres = stack.enter_context(postgres_server())
        with ThreadPoolExecutor(1) as thread:  # the caller may have an event loop of its own
            database_url = thread.submit(asyncio.run, _prepared(postgres, endpoint)).result()
        environment = {
            "BATCHSCRIBE_DATABASE__URL": database_url,
            "BATCHSCRIBE_SECRETS__KEYS": json.dumps([Fernet.generate_key().decode()]),
            "BATCHSCRIBE_STORAGE__MEDIA_URI": "s3://media/uploads",
            "BATCHSCRIBE_STORAGE__S3__BUCKETS": json.dumps(BUCKETS),
            "BATCHSCRIBE_STORAGE__S3__ENDPOINT": endpoint,
            "BATCHSCRIBE_STORAGE__S3__REGION": REGION,
            "BATCHSCRIBE_STORAGE__S3__ACCESS_KEY_ID": OWNER[0],
            "BATCHSCRIBE_STORAGE__S3__SECRET_ACCESS_KEY": OWNER[1],
            **environment,
        }
        servers = tuple(RunningServer(_made(folder / f"replica-{number}"), *options) for number in range(replicas))
        for server in servers:
            stack.callback(server.close)
        with ThreadPoolExecutor(replicas) as threads:
            list(threads.map(lambda server: server.start(**environment), servers))
        gateway = stack.enter_context(
            running_gateway(_made(folder / "gateway"), *(server.address for server in servers), options=gateway_options)
        )
        yield Cluster(postgres, endpoint, servers, gateway, environment)


async def _prepared(postgres: PostgresServer, endpoint: str) -> str:
    """Make the buckets and a database; returns the URL of that."""
    async with owners_client(endpoint) as client:
        for bucket in ("media", *BUCKETS):
            await client.create_bucket(Bucket=bucket)
    return await postgres.create_database()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
