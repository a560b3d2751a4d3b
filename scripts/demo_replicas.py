"""The demo of replicas: three servers, PostgreSQL, an S3 server and Envoy, all on this machine, and one server killed.

Each comes from a package; the speech is made for the demo. All of it lies under .build/demo-replicas.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.showing import BATCHSCRIBE, REPOSITORY, run, say, show

if TYPE_CHECKING:
    from tests.cluster import Cluster

FOLDER = REPOSITORY / ".build" / "demo-replicas"
FILES = 60
KILL_AFTER = 15
REPLICAS = 3


def main() -> int:
    """Run the demo; returns its exit status."""
    from tests.cluster import running_cluster

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    say(f"Making {FILES} spoken files")
    spoken_files = recordings(FOLDER / "speech")
    say(f"Starting PostgreSQL, an S3 server, {REPLICAS} replicas, and Envoy in front of them")
    with running_cluster(FOLDER, REPLICAS, BATCHSCRIBE_ADMIN__PUBLIC="true", BATCHSCRIBE_JOBS__LEASE_S="10") as cluster:
        asyncio.run(cluster.put({f"in/{name}": path for name, path in spoken_files.items()}))
        os.environ["BATCHSCRIBE_ADDRESS"] = cluster.gateway.address
        run("admin", "replicas", "--address", cluster.replicas[0].address)
        say(f"A batch through Envoy, at {cluster.gateway.address}")
        status = watched_while_one_is_killed(cluster)
        say("What Envoy's REST says of it")
        print(rest(cluster, "/v1/batches/calls"))
        written = asyncio.run(cluster.written())
        say("Stopping")
        statuses = [replica.stop() for replica in cluster.replicas]
    print(f"{len(written)} transcripts were written to s3://transcripts/out/; due: {FILES}.")
    print(f"The replicas ended with {statuses}. All of it lies in {FOLDER.relative_to(REPOSITORY)}/.")
    return status or len(written) != FILES or any(statuses)


def watched_while_one_is_killed(cluster: Cluster) -> int:
    """Submit the batch and watch it; `kill -9` a replica in the middle. Returns the exit status of the watch."""
    submit = ["batch", "submit", "s3://calls/in/", "--output", "s3://transcripts/out/", "--format", "txt"]
    submit += ["--id", "calls", "--watch"]
    show(submit)
    watch = subprocess.Popen([BATCHSCRIBE, *submit])
    while watch.poll() is None and len(asyncio.run(cluster.written())) < KILL_AFTER:
        time.sleep(0.2)
    victim = cluster.replicas[1]
    say(f"kill -9 {victim.process.pid}: the replica at {victim.address} is gone, in the middle of its files")
    victim.kill()
    say("Another one takes its place")
    cluster.start(victim)
    return watch.wait(timeout=300)


def rest(cluster: Cluster, path: str) -> str:
    """What a GET answers."""
    import httpx

    print(f"\n$ curl http://{cluster.gateway.address}{path}", flush=True)
    return httpx.get(f"http://{cluster.gateway.address}{path}", trust_env=False, timeout=30).text


def recordings(folder: Path) -> dict[str, Path]:
    """The names of the files, and where each is: a few recordings under many names."""
    from tests.many_files import UTTERANCES
    from tests.speech import joined, spoken

    folder.mkdir()
    count = len(UTTERANCES)
    made = [
        joined([spoken(UTTERANCES[(first + k) % count]) for k in range(3)], 0.6, folder / f"{first}.wav")
        for first in range(count)
    ]
    return {f"{number:02}.wav": made[number % count] for number in range(FILES)}


if __name__ == "__main__":
    sys.exit(main())
