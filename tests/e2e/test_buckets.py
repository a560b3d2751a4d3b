"""From one bucket to another: a real server, a real S3 server, spoken files."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aioboto3
import pytest

from tests.bucket_tree import REASONS, tree
from tests.many_files import UTTERANCES, words
from tests.object_store import OWNER, READER, cut_line, object_store
from tests.running_server import BATCHSCRIBE, RunningServer, running_server
from tests.speech import spoken

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TEXT = UTTERANCES[2]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects")) as started:
        asyncio.run(with_buckets(started))
        yield started


async def with_buckets(endpoint: str) -> None:
    async with aioboto3.Session(*OWNER, region_name="us-east-1").client("s3", endpoint_url=endpoint) as client:
        for bucket in ("calls", "transcripts"):
            await client.create_bucket(Bucket=bucket)


def settings(endpoint: str, keys: tuple[str, str]) -> dict[str, str]:
    return {
        "BATCHSCRIBE_STORAGE__S3__BUCKETS": '["calls", "transcripts"]',
        "BATCHSCRIBE_STORAGE__S3__ENDPOINT": endpoint,
        "BATCHSCRIBE_STORAGE__S3__REGION": "us-east-1",
        "BATCHSCRIBE_STORAGE__S3__ACCESS_KEY_ID": keys[0],
        "BATCHSCRIBE_STORAGE__S3__SECRET_ACCESS_KEY": keys[1],
    }


async def filled(endpoint: str, files: dict[str, bytes]) -> None:
    async with aioboto3.Session(*OWNER, region_name="us-east-1").client("s3", endpoint_url=endpoint) as client:
        for key, body in files.items():
            await client.put_object(Bucket="calls", Key=key, Body=body)


async def objects(endpoint: str, bucket: str, prefix: str, suffix: str = "") -> dict[str, str]:
    """What lies below a prefix, as text."""
    async with aioboto3.Session(*OWNER, region_name="us-east-1").client("s3", endpoint_url=endpoint) as client:
        listed = (await client.list_objects_v2(Bucket=bucket, Prefix=prefix)).get("Contents", [])
        keys = [each["Key"] for each in listed if each["Key"].endswith(suffix)]
        answers = [await client.get_object(Bucket=bucket, Key=key) for key in keys]
        return {key: (await answer["Body"].read()).decode() for key, answer in zip(keys, answers, strict=True)}


def batchscribe(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BATCHSCRIBE_ADDRESS": server.address}
    return subprocess.run(
        [str(BATCHSCRIBE), *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def own_server(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the owner's credentials."""
    with running_server(tmp_path_factory.mktemp("own"), "--model=tiny.en", **settings(endpoint, OWNER)) as server:
        yield server


def test_a_tree_of_all_kinds_of_names_becomes_transcripts_in_another_bucket(
    endpoint: str, own_server: RunningServer
) -> None:
    made = tree()
    asyncio.run(filled(endpoint, {f"tree/{key}": body for key, body in made.objects.items()}))
    server = own_server
    submitted = batchscribe(
        *(server, "batch", "submit", "s3://calls/tree", "--output", "s3://transcripts/tree/"),
        *("--format", "txt", "--format", "srt", "--watch", "--json"),
    )
    assert submitted.returncode == 1, submitted.stderr  # for the bad files
    last = json.loads(submitted.stdout.splitlines()[-1])
    assert last.get("state_change", last)["state"] == "STATE_SUCCEEDED"

    written = asyncio.run(objects(endpoint, "transcripts", "tree/"))
    transcripts = {f"tree/{key}.{suffix}" for key in made.said for suffix in ("txt", "srt")}
    assert set(written) == transcripts | {f"tree/{key}.notice" for key in REASONS}
    wrong = {key: written[f"tree/{key}.txt"] for key, text in made.said.items() if not alike(written, key, text)}
    assert not wrong
    for key, reason in REASONS.items():
        assert json.loads(written[f"tree/{key}.notice"])["error"]["reason"] == reason
    assert list((server.data_dir / "fetched").iterdir()) == []


def alike(written: dict[str, str], key: str, text: str) -> bool:
    return words(written[f"tree/{key}.txt"]) == words(text)


def test_transcripts_lie_next_to_their_inputs_or_where_they_are_told(endpoint: str, own_server: RunningServer) -> None:
    sound = spoken(TEXT).read_bytes()
    asyncio.run(filled(endpoint, {f"layouts/{name}": sound for name in ("a 1.wav", "b/#2.wav")}))
    asyncio.run(filled(endpoint, {"layouts/c.txt": b"notes"}))
    adjacent = batchscribe(
        own_server, "batch", "submit", "s3://calls/layouts/", "--layout", "adjacent", "--format", "txt", "--watch"
    )
    single = batchscribe(
        *(own_server, "job", "submit", "s3://calls/layouts/b/#2.wav", "--layout", "single", "--format", "txt"),
        *("--output", "s3://transcripts/layouts/said.txt", "--watch"),
    )
    assert (adjacent.returncode, single.returncode) == (0, 0), adjacent.stderr + single.stderr
    beside = asyncio.run(objects(endpoint, "calls", "layouts/", ".txt"))
    assert set(beside) == {"layouts/a 1.wav.txt", "layouts/b/#2.wav.txt", "layouts/c.txt"}
    elsewhere = asyncio.run(objects(endpoint, "transcripts", "layouts/"))
    for text in (beside["layouts/a 1.wav.txt"], beside["layouts/b/#2.wav.txt"], elsewhere["layouts/said.txt"]):
        assert words(text) == words(TEXT)


def test_a_manifest_in_a_bucket_says_how_each_file_is_transcribed(endpoint: str, own_server: RunningServer) -> None:
    sound = spoken(TEXT).read_bytes()
    keys = ["listed/a 1.wav", "listed/deep/b.wav"]
    lines: list[dict[str, Any]] = [
        {"uri": f"s3://calls/{key}", "reference_id": key} for key in [*keys, "listed/missing.wav"]
    ]
    lines[1]["config"] = {"word_time_offsets": True}
    manifest = "".join(json.dumps(line) + "\n" for line in lines)
    asyncio.run(filled(endpoint, dict.fromkeys(keys, sound) | {"lists/may.jsonl": manifest.encode()}))
    submitted = batchscribe(
        *(own_server, "batch", "submit", "--manifest", "s3://calls/lists/may.jsonl", "--id", "listed", "--watch"),
        *("--output", "s3://transcripts/listed/", "--format", "json"),
    )
    assert submitted.returncode == 1, submitted.stderr  # for the file that is missing
    written = asyncio.run(objects(endpoint, "transcripts", "listed/"))
    assert set(written) == {"listed/a 1.wav.json", "listed/deep/b.wav.json", "listed/missing.wav.notice"}
    with_words = {key: "words" in json.loads(text)["segments"][0] for key, text in written.items() if "wav.json" in key}
    assert with_words == {"listed/a 1.wav.json": False, "listed/deep/b.wav.json": True}
    listed = batchscribe(own_server, "batch", "jobs", "listed", "--json").stdout.splitlines()
    assert {json.loads(line)["reference_id"] for line in listed} == {line["reference_id"] for line in lines}


def test_one_object_is_taken_where_a_prefix_could_be_meant(endpoint: str, own_server: RunningServer) -> None:
    asyncio.run(filled(endpoint, {"single/one.wav": spoken(TEXT).read_bytes()}))
    submitted = batchscribe(
        *(own_server, "batch", "submit", "s3://calls/single/one.wav", "--output", "s3://transcripts/single/"),
        *("--format", "txt", "--watch"),
    )
    assert submitted.returncode == 0, submitted.stderr
    written = asyncio.run(objects(endpoint, "transcripts", "single/"))
    assert {key: words(text) for key, text in written.items()} == {"single/one.wav.txt": words(TEXT)}


def test_a_bucket_that_the_operator_did_not_list_is_refused(own_server: RunningServer) -> None:
    refused = batchscribe(own_server, "batch", "submit", "s3://others/in")
    assert refused.returncode != 0
    assert "PATH_NOT_ALLOWED" in refused.stderr
    assert OWNER[1] not in own_server.log.read_text()


def test_a_server_that_may_not_write_says_so(endpoint: str, tmp_path: Path) -> None:
    asyncio.run(filled(endpoint, {"in/top.wav": spoken(TEXT).read_bytes()}))
    with running_server(tmp_path, "--model=tiny.en", **settings(endpoint, READER)) as server:
        failed = batchscribe(
            *(server, "job", "submit", "s3://calls/in/top.wav", "--output", "s3://transcripts/denied/"),
            *("--id", "denied", "--watch"),
        )
        job = json.loads(batchscribe(server, "job", "get", "denied", "--json").stdout)
    assert failed.returncode == 1
    assert job["error"]["reason"] == "BUCKET_WRITE_DENIED"
    assert "audio_duration" not in job  # nothing was heard


def credentials(folder: Path, endpoint: str, keys: tuple[str, str]) -> str:
    """A file of them, as the command line takes it."""
    path = folder / f"{keys[0]}-{len(keys[1])}.json"
    own = {"endpoint": endpoint, "region": "us-east-1", "access_key_id": keys[0], "secret_access_key": keys[1]}
    path.write_text(json.dumps({"s3": own}))
    return str(path)


@pytest.fixture(scope="module")
def auth_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("auth")


@pytest.fixture(scope="module")
def clients_server(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that has no credentials of its own."""
    allowed = {"BATCHSCRIBE_STORAGE__CLIENT_ENDPOINTS": json.dumps([endpoint])}
    with running_server(tmp_path_factory.mktemp("server"), "--model=tiny.en", "--log-level=debug", **allowed) as server:
        yield server


def test_inputs_and_outputs_are_reached_with_the_clients_own_credentials(
    endpoint: str, clients_server: RunningServer, auth_folder: Path
) -> None:
    sound = spoken(TEXT).read_bytes()
    asyncio.run(filled(endpoint, {"theirs/a.wav": sound, "theirs/bad.wav": b"no sound at all, " * 50}))
    server = clients_server
    submitted = batchscribe(
        *(server, "batch", "submit", "s3://calls/theirs", "--auth", credentials(auth_folder, endpoint, READER)),
        *("--output", "s3://transcripts/theirs/", "--output-auth", credentials(auth_folder, endpoint, OWNER)),
        *("--format", "txt", "--id", "with-credentials", "--watch", "--json"),
    )
    assert submitted.returncode == 1, submitted.stderr  # for the one bad file
    written = asyncio.run(objects(endpoint, "transcripts", "theirs/"))
    assert words(written["theirs/a.wav.txt"]) == words(TEXT)
    assert "theirs/bad.wav.notice" in written

    retried = batchscribe(server, "batch", "retry", "with-credentials")
    assert retried.returncode != 0
    assert "CREDENTIALS_DELETED" in retried.stderr

    shown = [
        submitted.stdout + submitted.stderr,
        batchscribe(server, "batch", "get", "with-credentials", "--json").stdout,
        batchscribe(server, "batch", "jobs", "with-credentials", "--json").stdout,
        server.log.read_text(),
    ]
    assert not any(map(holds_a_secret, (text.encode() for text in shown)))
    assert any("with-credentials" in text for text in shown)
    check_left_behind(server.folder, b"with-credentials")


async def test_a_server_that_crashes_leaves_no_credentials_behind(
    endpoint: str, tmp_path: Path, auth_folder: Path
) -> None:
    """Killed by SIGABRT, as by a failing native library, while it fetches and hears; faulthandler writes of it."""
    sound = spoken(TEXT).read_bytes()
    await filled(endpoint, {f"crashing/{number}.wav": sound for number in range(8)})
    stuck = asyncio.Event()
    async with cut_line(endpoint, 2 * len(sound), stuck.set, is_held=True) as line:
        allowed = {
            "BATCHSCRIBE_STORAGE__CLIENT_ENDPOINTS": json.dumps([endpoint, line.endpoint]),
            "PYTHONFAULTHANDLER": "1",
        }
        server = RunningServer(tmp_path, "--model=tiny.en", "--log-level=debug")
        try:
            await asyncio.to_thread(server.start, **allowed)
            submitted = await asyncio.to_thread(
                batchscribe,
                *(server, "batch", "submit", "s3://calls/crashing", "--format", "txt", "--id", "crashing"),
                *("--auth", credentials(auth_folder, line.endpoint, READER)),
                *("--output", "s3://transcripts/crashing/", "--output-auth"),
                credentials(auth_folder, endpoint, OWNER),
            )
            assert submitted.returncode == 0, submitted.stderr
            async with asyncio.timeout(60):
                await stuck.wait()
            assert list((server.data_dir / "fetched").iterdir())
            status = await asyncio.to_thread(server.abort)
        finally:
            server.close()
    assert status == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in server.log.read_text()
    check_left_behind(tmp_path, b"crashing")


def holds_a_secret(data: bytes) -> bool:
    """Whether a secret key is in it, plainly or in base64, at whatever place of three bytes it begins."""
    secrets = [keys[1].encode() for keys in (OWNER, READER)]
    return any(form in data for secret in secrets for form in (secret, *base64_forms(secret)))


def base64_forms(secret: bytes) -> list[bytes]:
    """What is sure to be in base64 of something that holds it: the characters that come of its bytes alone."""
    forms = []
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + secret)
        forms.append(text[(0, 2, 3)[lead] : len(text) - 4])
    return forms


def check_left_behind(folder: Path, mark: bytes) -> None:
    """No file that a server left holds a secret; some hold the mark, so that they were looked at."""
    left = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "core"]
    for path in Path("/dev/shm").iterdir():
        with suppress(OSError):  # whatever else runs on this machine has its own there, which come and go
            left.append(path.read_bytes())
    assert not any(map(holds_a_secret, left))
    assert any(mark in data for data in left)


def test_secrets_are_seen_wherever_they_are() -> None:
    for lead in (b"", b"a", b"ab", b"abc"):
        data = lead + OWNER[1].encode() + b"tail"
        assert holds_a_secret(data)
        assert holds_a_secret(base64.b64encode(data))
    assert not holds_a_secret(b"owner-key and whatever else there is")


@pytest.mark.parametrize(
    ("source", "keys", "output", "output_keys", "reason"),
    [
        ("s3://calls/theirs", (OWNER[0], "wrong"), "s3://transcripts/x/", OWNER, "BUCKET_READ_DENIED"),
        ("s3://calls/theirs", ("unknown", "wrong"), "s3://transcripts/x/", OWNER, "BUCKET_READ_DENIED"),
        ("s3://no-such-bucket/theirs", OWNER, "s3://transcripts/x/", OWNER, "SCAN_FAILED"),
        ("s3://calls/theirs", OWNER, "s3://no-such-bucket/x/", OWNER, "OUTPUT_FAILED"),
        ("s3://calls/theirs", OWNER, "s3://transcripts/x/", READER, "BUCKET_WRITE_DENIED"),
        ("s3://calls/theirs", OWNER, "s3://transcripts/x/", (OWNER[0], "wrong!"), "BUCKET_WRITE_DENIED"),
    ],
)
def test_a_batch_that_cannot_read_or_write_says_so_before_anything_is_transcribed(
    endpoint: str,
    clients_server: RunningServer,
    auth_folder: Path,
    source: str,
    keys: tuple[str, str],
    output: str,
    output_keys: tuple[str, str],
    reason: str,
) -> None:
    asyncio.run(filled(endpoint, {"theirs/a.wav": b"never to be heard"}))
    submitted = batchscribe(
        *(clients_server, "batch", "submit", source, "--auth", credentials(auth_folder, endpoint, keys)),
        *("--output", output, "--output-auth", credentials(auth_folder, endpoint, output_keys), "--watch"),
    )
    name = submitted.stdout.split()[0]
    batch = json.loads(batchscribe(clients_server, "batch", "get", name, "--json").stdout)
    assert batch["state"] == "STATE_FAILED"
    assert batch["error"]["reason"] == reason
    assert int(batch.get("counts", {}).get("total", 0)) == 0


def test_only_endpoints_that_the_operator_allows_are_reached_with_credentials_of_clients(
    clients_server: RunningServer, auth_folder: Path
) -> None:
    elsewhere = credentials(auth_folder, "http://127.0.0.1:1", OWNER)
    refused = batchscribe(clients_server, "job", "submit", "s3://calls/theirs/a.wav", "--auth", elsewhere)
    assert refused.returncode != 0
    assert "PATH_NOT_ALLOWED" in refused.stderr


def test_a_profile_of_the_server_is_named_by_its_clients(endpoint: str, tmp_path: Path) -> None:
    sound = spoken(TEXT).read_bytes()
    asyncio.run(filled(endpoint, {"profiled/a.wav": sound}))
    (tmp_path / "files").mkdir()
    config = tmp_path / "settings.toml"
    config.write_text(
        "".join(
            f"[storage.profiles.{name}]\nbuckets = ['{bucket}']\nendpoint = '{endpoint}'\nregion = 'us-east-1'\n"
            f"access_key_id = '{keys[0]}'\nsecret_access_key = '{keys[1]}'\n"
            for name, bucket, keys in (("calls", "calls", READER), ("results", "transcripts", OWNER))
        )
    )
    with running_server(tmp_path / "files", "--model=tiny.en", f"--config={config}") as server:
        profiles = ("--profile", "calls", "--output-profile", "results")
        arguments = ("job", "submit", "s3://calls/profiled/a.wav", "--format", "txt", "--watch", *profiles)
        done = batchscribe(server, *arguments, "--output", "s3://transcripts/profiled/")
        assert done.returncode == 0, done.stderr
        refused = batchscribe(server, *arguments, "--output", "s3://calls/profiled/")
        assert "PATH_NOT_ALLOWED" in refused.stderr
        unknown = batchscribe(server, "job", "submit", "s3://calls/profiled/a.wav", "--profile", "none")
        assert "PATH_NOT_ALLOWED" in unknown.stderr
        assert OWNER[1] not in server.log.read_text()
    written = asyncio.run(objects(endpoint, "transcripts", "profiled/"))
    assert [words(text) for text in written.values()] == [words(TEXT)]


def test_a_report_is_there_at_the_end_and_outputs_go_where_they_can(
    endpoint: str, own_server: RunningServer, clients_server: RunningServer, auth_folder: Path
) -> None:
    """With the server's own credentials outputs can be deleted at any time, with a client's until its end."""
    sound = spoken(TEXT).read_bytes()
    asyncio.run(filled(endpoint, {"reported/a.wav": sound, "reported/bad.wav": b"no sound at all, " * 50}))
    for server, name, auth in (
        (own_server, "own", ()),
        (clients_server, "theirs", ("--auth", credentials(auth_folder, endpoint, OWNER))),
    ):
        submitted = batchscribe(
            *(server, "batch", "submit", "s3://calls/reported", "--output", f"s3://transcripts/{name}/", "--report"),
            *("--format", "txt", "--id", f"reported-{name}", "--watch", *auth),
        )
        assert submitted.returncode == 1, submitted.stderr  # for the one bad file
        written = asyncio.run(objects(endpoint, "transcripts", f"{name}/"))
        good, bad = map(json.loads, written[f"{name}/reported-{name}.report.jsonl"].splitlines())
        assert good["outputs"][0]["uri"] == f"s3://transcripts/{name}/a.wav.txt"
        assert bad["error"]["reason"] == "UNSUPPORTED_FORMAT"
        deleted = batchscribe(server, "batch", "delete", f"reported-{name}", "--outputs")
        left = asyncio.run(objects(endpoint, "transcripts", f"{name}/"))
        if server is own_server:
            assert deleted.returncode == 0, deleted.stderr
            assert left == {}
        else:
            assert deleted.returncode == 1
            assert "CREDENTIALS_DELETED" in deleted.stderr
            assert left == written


def test_a_batch_that_runs_is_deleted_with_its_outputs_and_the_clients_credentials(
    endpoint: str, clients_server: RunningServer, auth_folder: Path
) -> None:
    sound = spoken(TEXT).read_bytes()
    asyncio.run(filled(endpoint, {f"stopped/{number:02}.wav": sound for number in range(40)}))
    submitted = batchscribe(
        *(clients_server, "batch", "submit", "s3://calls/stopped", "--output", "s3://transcripts/stopped/"),
        *("--auth", credentials(auth_folder, endpoint, OWNER), "--id", "stopped"),
    )
    assert submitted.returncode == 0, submitted.stderr
    while not asyncio.run(objects(endpoint, "transcripts", "stopped/")):
        time.sleep(0.05)
    deleted = batchscribe(clients_server, "batch", "delete", "stopped", "--outputs")
    assert deleted.returncode == 0, deleted.stderr
    assert asyncio.run(objects(endpoint, "transcripts", "stopped/")) == {}
