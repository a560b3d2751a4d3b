"""The demo of buckets: a real S3 server, a tree of spoken files in one bucket, transcripts in another, keys for each.

The S3 server is SeaweedFS; it and the speech are made for the demo, and lie under .build/demo-s3. Five files are bad on
purpose, so the batch ends with five notices beside its transcripts.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys

from scripts.showing import BATCHSCRIBE, REPOSITORY, free_port, run, say, show, wait_for_server

FOLDER = REPOSITORY / ".build" / "demo-s3"
REGION = "us-east-1"


def main() -> int:
    """Run the demo; returns its exit status."""
    from tests.bucket_tree import tree
    from tests.object_store import OWNER, READER, object_store

    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "store").mkdir(parents=True)
    say("Making a tree of spoken files, with names and formats of all kinds")
    made = tree()
    with object_store(FOLDER / "store") as endpoint:
        say(f"An S3 server at {endpoint}: bucket calls with {len(made.objects)} objects, bucket transcripts empty")
        asyncio.run(fill(endpoint, OWNER, made.objects))
        for name, keys in (("reader", READER), ("owner", OWNER), ("wrong", (READER[0], "a wrong secret"))):
            own = {"endpoint": endpoint, "region": REGION, "access_key_id": keys[0], "secret_access_key": keys[1]}
            (FOLDER / f"{name}.json").write_text(json.dumps({"s3": own}))
        address = f"127.0.0.1:{free_port()}"
        os.environ["BATCHSCRIBE_ADDRESS"] = address
        os.environ["BATCHSCRIBE_STORAGE__CLIENT_ENDPOINTS"] = json.dumps([endpoint])
        serve = ["serve", "--listen", address, "--data-dir", str(FOLDER / "data")]
        with (FOLDER / "server.log").open("wb") as log:
            show(serve, "&")
            server = subprocess.Popen([BATCHSCRIBE, *serve], stdout=log, stderr=log)
            try:
                wait_for_server(address, server, FOLDER / "server.log")
                use(str(FOLDER / "reader.json"), str(FOLDER / "owner.json"), str(FOLDER / "wrong.json"))
                written = asyncio.run(written_in(endpoint, OWNER))
            finally:
                say("Stopping")
                server.send_signal(signal.SIGTERM)
                status = server.wait(timeout=60)
    texts = sum(key.endswith(".txt") for key in written)
    notices = sum(key.endswith(".notice") for key in written)
    print(f"{texts} transcripts and {notices} notices were written to s3://transcripts/; due: {len(made.said)} and 5.")
    print(f"The server ended with status {status}. All of it lies in {FOLDER.relative_to(REPOSITORY)}/.")
    return status or (texts, notices) != (len(made.said), 5)


def use(reader: str, owner: str, wrong: str) -> None:
    """Submit the tree with good keys and with bad ones; the arguments are files of credentials."""
    say("A batch from one bucket into another: the input's keys may only read, the output's may write")
    run("batch", "submit", "s3://calls/", "--auth", reader, "--output", "s3://transcripts/", "--output-auth", owner,
        "--format", "txt", "--id", "all-calls", "--watch", expected=1)  # fmt: skip
    say("Five files are bad, and each says why")
    run("batch", "jobs", "all-calls", "--filter", "state = FAILED")
    say("With a wrong secret, or where it may not write, a batch ends before anything is transcribed")
    run("batch", "submit", "s3://calls/", "--auth", wrong, "--output", "s3://transcripts/", "--watch", expected=1)
    run("batch", "submit", "s3://calls/", "--auth", reader, "--output", "s3://transcripts/", "--watch", expected=1)


async def fill(endpoint: str, keys: tuple[str, str], objects: dict[str, bytes]) -> None:
    """Make both buckets, and put the objects into the first."""
    import aioboto3

    async with aioboto3.Session(*keys, region_name=REGION).client("s3", endpoint_url=endpoint) as client:
        for bucket in ("calls", "transcripts"):
            await client.create_bucket(Bucket=bucket)
        for key, body in objects.items():
            await client.put_object(Bucket="calls", Key=key, Body=body)


async def written_in(endpoint: str, keys: tuple[str, str]) -> list[str]:
    """The keys of the second bucket."""
    import aioboto3

    async with aioboto3.Session(*keys, region_name=REGION).client("s3", endpoint_url=endpoint) as client:
        return [each["Key"] for each in (await client.list_objects_v2(Bucket="transcripts")).get("Contents", [])]


if __name__ == "__main__":
    sys.exit(main())
