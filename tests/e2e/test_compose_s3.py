"""The S3 server of the compose file, started as it says: its buckets are made, and its keys are asked for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.deployment import DEPLOY, compose_file
from tests.listening import free_port, wait_until_it_answers
from tests.object_store import WEED

pytestmark = pytest.mark.slow

KEYS = ("key-of-the-owner", "secret-of-the-owner-0123456789")


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[dict[str, int]]:
    """The ports of a server with the compose file's command, but for its folder, its addresses and these."""
    command = compose_file()["services"]["s3"]["command"]
    # Its gRPC ports lie 10,000 above.
    ports = {name: free_port(below=50_000) for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    own = {"-dir=/data": f"-dir={tmp_path}", "-ip=s3": "-ip=127.0.0.1", "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1"}
    assert own.keys() <= set(command)
    words = [own.get(word, word) for word in command] + [f"-{name}={port}" for name, port in ports.items()]
    environment = os.environ | {"AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1]}
    with (tmp_path / "weed.log").open("wb") as log:
        process = subprocess.Popen([WEED, *words], env=environment, stdout=log, stderr=log)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{ports['s3.port']}/healthz", process, tmp_path / "weed.log")
        yield ports
    finally:
        process.kill()
        process.wait()


def _make_buckets(master_port: int, *names: str) -> int:
    environment = os.environ | {"PATH": f"{WEED.parent}:{os.environ['PATH']}"}
    script = DEPLOY / "compose" / "make_buckets.sh"
    words = ["sh", str(script), f"127.0.0.1:{master_port}", *names]
    return subprocess.run(words, env=environment, capture_output=True, check=False, timeout=60).returncode


def test_buckets_are_made_once_and_only_the_owner_reaches_them(ports: dict[str, int]) -> None:
    names = compose_file()["services"]["buckets"]["entrypoint"][3:]
    assert _make_buckets(ports["master.port"], *names) == 0
    assert _make_buckets(ports["master.port"], *names) == 0
    assert _make_buckets(ports["master.port"], "Not_A_Bucket") == 1

    def client(secret: str) -> Any:
        endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        return boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEYS[0],
            aws_secret_access_key=secret,
        )

    assert {bucket["Name"] for bucket in client(KEYS[1]).list_buckets()["Buckets"]} == set(names)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client("another").list_buckets()
