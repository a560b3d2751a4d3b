"""Scanning: what manifests and listings become, what is refused, and where a scan goes on that was cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aioboto3
import pytest

from batchscribe_server.domain.batch import Batch, ManifestEntry, ManifestInput, ManifestObjectInput, PrefixInput
from batchscribe_server.domain.errors import InvalidArgumentError, MediaNotFoundError, PathNotAllowedError, Reason
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.recognition import (
    Decoding,
    OutputConfig,
    OutputLayout,
    RecognitionConfig,
    TranscriptFormat,
)
from batchscribe_server.operations.store import ListQuery, ScanChunk
from batchscribe_server.operations.submit import NewBatch
from batchscribe_server.operations.upload import Upload
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.s3 import S3Storage
from batchscribe_server.storage.s3_options import S3Options
from tests.in_process_service import PATIENCE_S, TENANT, InProcessService, in_process_service
from tests.object_store import OWNER, held_line, object_store
from tests.scripted_engine import ScriptedTranscriber
from tests.url_storage import storage_of

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects")) as started:
        yield started


@asynccontextmanager
async def bucket_of(endpoint: str, name: str) -> AsyncIterator[Any]:
    """A client of a store in which there is that bucket, new."""
    session = aioboto3.Session(*OWNER, region_name="us-east-1")
    async with session.client("s3", endpoint_url=endpoint) as client:
        await client.create_bucket(Bucket=name)
        yield client


@asynccontextmanager
async def s3_service(
    endpoint: str, folder: Path, transcriber: ScriptedTranscriber | None = None
) -> AsyncIterator[InProcessService]:
    fetched = FetchedFiles(folder / "fetched", 100 * 1024**2)
    await fetched.start()
    options = S3Options(frozenset({"*"}), endpoint, "us-east-1", *OWNER)
    async with (
        S3Storage(options, fetched) as s3,
        in_process_service(folder, transcriber, storages={"s3": s3}) as service,
    ):
        yield service


async def jobs_of(service: InProcessService, batch: Batch) -> list[Job]:
    """All jobs of a batch, in their order."""
    jobs: list[Job] = []
    token = ""
    while True:
        page = await service.store.list_jobs(ListQuery(TENANT, 1_000, token, batch_id=batch.id))
        jobs += page.items
        token = page.next_page_token
        if not token:
            return sorted(jobs, key=lambda job: job.ordinal)


def json_lines(entries: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def written(folder: Path, content: str, name: str = "list.jsonl") -> ManifestObjectInput:
    (folder / name).write_text(content)
    return ManifestObjectInput((folder / name).as_uri())


async def pieces(content: bytes) -> AsyncIterable[bytes]:
    yield content


async def uploaded(service: InProcessService, content: bytes, file_name: str, media_id: str) -> str:
    await service.uploads.start()
    upload = Upload(service.store, service.uploads, lambda: media_id, lambda: datetime.now(UTC), keep_s=3_600)
    return (await upload(TENANT, file_name, pieces(content))).name


# manifests


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("place", ["file", "s3", "upload"])
async def test_each_entry_of_a_manifest_becomes_a_job(endpoint: str, tmp_path: Path, form: str, place: str) -> None:
    entries: list[dict[str, Any]] = [
        {"uri": (tmp_path / "in/a.wav").as_uri(), "reference_id": "one"},
        {
            "uri": (tmp_path / "in/deep/b ü.wav").as_uri(),
            "config": {"hotwords": ["theirs"], "decoding": {"beam_size": 3}},
        },
        {"uri": (tmp_path / "in/c.wav").as_uri(), "config": {"initial_prompt": "x"}, "config_mask": "hotwords"},
    ]
    content = json_lines(entries)
    if form == "csv":
        rows = [
            ",".join(
                '"' + value.replace('"', '""') + '"'
                for value in (
                    entry["uri"],
                    entry.get("reference_id", ""),
                    json.dumps(entry["config"]) if "config" in entry else "",
                    entry.get("config_mask", ""),
                )
            )
            for entry in entries
        ]
        content = "\r\n".join(["uri,reference_id,config,config_mask", *rows])
    bucket = f"manifests-{form}-{place}"
    async with bucket_of(endpoint, bucket) as client, s3_service(endpoint, tmp_path) as service:
        for name in ("in/a.wav", "in/deep/b ü.wav", "in/c.wav"):
            service.audio(name)
        match place:
            case "file":
                given = written(tmp_path, content, f"list.{form}")
            case "s3":
                await client.put_object(Bucket=bucket, Key="list", Body=content.encode())
                given = ManifestObjectInput(f"s3://{bucket}/list")
            case _:
                given = ManifestObjectInput(await uploaded(service, content.encode(), f"list.{form}", "manifest"))
        ours = RecognitionConfig(hotwords=("ours",), decoding=Decoding(beam_size=2))
        output = OutputConfig(uri=(tmp_path / "out").as_uri())
        batch = await service.submit.batch(TENANT, NewBatch(given, config=ours, output=output))
        assert batch.input == given
        ended = await service.batch_ended(batch)
        jobs = await jobs_of(service, batch)
    assert (ended.state, ended.counts.total, ended.counts.succeeded) == (State.SUCCEEDED, 3, 3)
    assert [(job.input_uri, job.ordinal) for job in jobs] == [(entry["uri"], k) for k, entry in enumerate(entries)]
    assert [job.reference_id for job in jobs] == ["one", "", ""]
    heard = {request.file_name: request.config for request in service.transcriber.requests}
    assert (heard["a.wav"].hotwords, heard["a.wav"].decoding.beam_size) == (("ours",), 2)
    assert (heard["b ü.wav"].hotwords, heard["b ü.wav"].decoding.beam_size) == (("theirs",), 3)
    assert (heard["c.wav"].hotwords, heard["c.wav"].decoding.beam_size, heard["c.wav"].initial_prompt) == ((), 2, "")
    outputs = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.json")}
    assert outputs == {"a.wav.json", "deep/b ü.wav.json", "c.wav.json"}


@pytest.mark.slow
async def test_a_manifest_may_list_tens_of_thousands(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    uris = [f"{tmp_path.as_uri()}/in/{number:05}.wav" for number in range(20_000)]
    given = written(tmp_path, json_lines([{"uri": uri} for uri in uris]))
    async with in_process_service(tmp_path, transcriber) as service:
        for number in range(10):
            service.audio(f"in/{number:05}.wav")
        output = OutputConfig(uri=(tmp_path / "out").as_uri())
        batch = await service.submit.batch(TENANT, NewBatch(given, output=output))
        async with asyncio.timeout(PATIENCE_S):
            await transcriber.started.wait()
            while not (scanned := await service.store.get_batch(TENANT, batch.id)).scanned:
                assert scanned.state is not State.FAILED, scanned.error
                await asyncio.sleep(0.05)
        assert [job.input_uri for job in await jobs_of(service, batch)] == uris
        await service.store.cancel_batch(TENANT, batch.id)
        transcriber.flowing.set()


async def held_after(service: InProcessService, monkeypatch: pytest.MonkeyPatch, chunks: int) -> asyncio.Event:
    """Let the store take so many chunks of scans; tells when the next one is held, for good."""
    held = asyncio.Event()
    add_scanned = service.store.add_scanned
    taken = 0

    async def add_some(batch: Batch, chunk: ScanChunk) -> Batch:
        nonlocal taken
        if taken == chunks:
            held.set()
            await asyncio.Event().wait()
        taken += 1
        return await add_scanned(batch, chunk)

    monkeypatch.setattr(service.store, "add_scanned", add_some)
    return held


@pytest.mark.parametrize("name", ["list.jsonl", "list.csv"])
@pytest.mark.parametrize("chunks", [0, 2])
async def test_a_scan_that_was_cut_off_goes_on_without_repeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, chunks: int
) -> None:
    uris = [f"{tmp_path.as_uri()}/in/{number % 7}/{number}.wav" for number in range(250)]
    content = json_lines([{"uri": uri} for uri in uris]) if name == "list.jsonl" else "\n".join(["uri", *uris])
    given = written(tmp_path, content, name)
    async with in_process_service(tmp_path) as service:
        held = await held_after(service, monkeypatch, chunks)
        output = OutputConfig(uri=(tmp_path / "out").as_uri(), write_notice=False)
        batch = await service.submit.batch(TENANT, NewBatch(given, output=output))
        async with asyncio.timeout(PATIENCE_S):
            await held.wait()
        assert len(await jobs_of(service, batch)) == 100 * chunks
    async with in_process_service(tmp_path, first_id=10_000) as service:
        ended = await service.batch_ended(batch)
        jobs = await jobs_of(service, batch)
    assert ended.counts.total == 250
    assert [job.input_uri for job in jobs] == uris
    assert [job.ordinal for job in jobs] == list(range(250))
    assert {job.relative_path for job in jobs} == {f"{number % 7}/{number}.wav" for number in range(250)}


async def test_a_manifest_that_changed_before_its_scan_went_on_fails_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"uri": f"{tmp_path.as_uri()}/in/{number}.wav"} for number in range(300)]
    given = written(tmp_path, json_lines(lines))
    async with in_process_service(tmp_path) as service:
        held = await held_after(service, monkeypatch, 1)
        batch = await service.submit.batch(TENANT, NewBatch(given))
        async with asyncio.timeout(PATIENCE_S):
            await held.wait()
    written(tmp_path, json_lines([*lines, {"uri": f"{tmp_path.as_uri()}/in/another.wav"}]))
    async with in_process_service(tmp_path, first_id=10_000) as service:
        ended = await service.batch_ended(batch)
    assert (ended.state, ended.counts.total) == (State.FAILED, 100)
    assert ended.error is not None
    assert ended.error.reason is Reason.INPUT_CHANGED
    assert "manifest changed" in ended.error.message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("list.jsonl", '{"uri": "file:///a.wav"}\n{"uri": \n', ["line 2: is no JSON"]),
        ("list.jsonl", '{"uri": "file:///a.wav", "colour": "red"}\n', ["line 1: colour: is no field"]),
        ("list.jsonl", '{"reference_id": "x"}\n\n["file:///a.wav"]\n', ["line 1: uri: is required", "line 3: is not"]),
        ("list.jsonl", '{"uri": "file:///a", "config": {"language": "xx"}}\n', ["line 1: config.language: "]),
        ("list.jsonl", '{"uri": "file:///a", "config": {"language": "de"}}\n', ["line 1: config.language: the model"]),
        ("list.jsonl", '{"uri": "file:///a", "config": {"task": "TASK_TRANSLATE"}}\n', ["line 1: config.task: "]),
        ("list.csv", "uri\nfile:///a.wav\na.wav\n", ["line 3: uri: 'a.wav' is not a URI"]),
        ("list.csv", "name\nfile:///a.wav\n", ["must name the columns"]),
        ("list.csv", "uri\n", ["lists no files"]),
        ("list", "", ["lists no files"]),
    ],
)
async def test_a_manifest_with_any_bad_line_fails_before_anything_is_transcribed(
    tmp_path: Path, name: str, content: str, words: list[str]
) -> None:
    async with in_process_service(tmp_path) as service:
        batch = await service.submit.batch(TENANT, NewBatch(written(tmp_path, content, name)))
        ended = await service.batch_ended(batch)
    assert (ended.state, ended.counts.total, service.transcriber.requests) == (State.FAILED, 0, [])
    assert ended.error is not None
    assert ended.error.reason is Reason.MANIFEST_INVALID
    assert all(each in ended.error.message for each in words), ended.error.message


async def test_the_first_ten_bad_lines_are_named(tmp_path: Path) -> None:
    good = [{"uri": f"{tmp_path.as_uri()}/{number}.wav"} for number in range(1_000)]
    content = json_lines([*good, *({"uri": number} for number in range(30))])
    async with in_process_service(tmp_path) as service:
        batch = await service.submit.batch(TENANT, NewBatch(written(tmp_path, content)))
        ended = await service.batch_ended(batch)
    assert ended.error is not None
    assert [f"line {line}: " in ended.error.message for line in (1_000, 1_001, 1_010, 1_011)] == [
        False,
        True,
        True,
        False,
    ]


async def test_an_entry_that_is_not_there_fails_alone(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        uris = [service.audio("in/a.wav"), (tmp_path / "in/missing.wav").as_uri(), service.audio("in/b.wav")]
        batch = await service.submit.batch(
            TENANT, NewBatch(written(tmp_path, json_lines([{"uri": uri} for uri in uris])))
        )
        ended = await service.batch_ended(batch)
        jobs = await jobs_of(service, batch)
    assert (ended.state, ended.counts.succeeded, ended.counts.failed) == (State.SUCCEEDED, 2, 1)
    assert [job.error.reason if job.error else "" for job in jobs] == ["", "FETCH_FAILED", ""]


async def test_a_list_with_what_may_not_be_read_is_refused_whole_in_a_request_and_in_a_file(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        refused = ["file:///etc/hostname", "s3://calls/a.wav", "media/none"]
        uris = [service.audio("in/a.wav"), *refused]
        for uri in refused:
            listed = ManifestInput((ManifestEntry(service.audio("in/a.wav")), ManifestEntry(uri)))
            with pytest.raises((PathNotAllowedError, MediaNotFoundError)):
                await service.submit.batch(TENANT, NewBatch(listed))
        batch = await service.submit.batch(
            TENANT, NewBatch(written(tmp_path, json_lines([{"uri": uri} for uri in uris])))
        )
        ended = await service.batch_ended(batch)
    assert (ended.state, ended.counts.total, service.transcriber.requests) == (State.FAILED, 0, [])
    assert ended.error is not None
    assert ended.error.reason is Reason.MANIFEST_INVALID
    assert [line for line in (1, 2, 3, 4) if f"line {line}: uri: " in ended.error.message] == [2, 3, 4]


@pytest.mark.parametrize("uri", ["file:///etc/list.csv", "s3://b/list.csv", "media/none"])
async def test_a_manifest_that_is_not_allowed_is_refused(tmp_path: Path, uri: str) -> None:
    async with in_process_service(tmp_path) as service:
        with pytest.raises((PathNotAllowedError, MediaNotFoundError)):
            await service.submit.batch(TENANT, NewBatch(ManifestObjectInput(uri)))


async def test_a_manifest_that_is_not_there_fails_the_batch(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        new = NewBatch(ManifestObjectInput((tmp_path / "none.csv").as_uri()))
        ended = await service.batch_ended(await service.submit.batch(TENANT, new))
    assert ended.error is not None
    assert ended.error.reason is Reason.FETCH_FAILED


async def test_entries_with_one_output_are_refused_with_both_their_lines(tmp_path: Path) -> None:
    uris = [f"https://h/in/{number}.wav?signature={number}" for number in range(1_200)]
    uris[1_100] = "https://h/in/7.wav?other-signature"
    given = written(tmp_path, json_lines([{"uri": uri} for uri in uris]))
    async with storage_of(tmp_path) as urls, in_process_service(tmp_path, storages={"https": urls}) as service:
        output = OutputConfig(uri=(tmp_path / "out").as_uri())
        ended = await service.batch_ended(await service.submit.batch(TENANT, NewBatch(given, output=output)))
        assert (ended.state, ended.counts.total) == (State.FAILED, 0)
        assert ended.error is not None
        assert "line 1101: has the same output as line 8" in ended.error.message
        assert "signature" not in ended.error.message
        given = written(tmp_path, json_lines([{"uri": uri} for uri in (uris[7], uris[1_100])]))
        kept = await service.batch_ended(await service.submit.batch(TENANT, NewBatch(given)))
        assert kept.counts.total == 2


async def test_two_uploads_of_one_name_are_refused_where_one_would_overwrite_the_other(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        names = [await uploaded(service, b"audio", "call.wav", media_id) for media_id in ("one", "two")]
        given = written(tmp_path, json_lines([{"uri": name} for name in names]))
        output = OutputConfig(uri=(tmp_path / "out").as_uri())
        ended = await service.batch_ended(await service.submit.batch(TENANT, NewBatch(given, output=output)))
        assert ended.error is not None
        assert "line 2: has the same output as line 1" in ended.error.message
        inline = ManifestInput(tuple(map(ManifestEntry, names)))
        with pytest.raises(InvalidArgumentError):
            await service.submit.batch(TENANT, NewBatch(inline, output=output))


# listings


async def test_outputs_of_earlier_runs_next_to_inputs_are_no_inputs(tmp_path: Path) -> None:
    formats = (TranscriptFormat.JSON, TranscriptFormat.TEXT, TranscriptFormat.SRT, TranscriptFormat.VTT)
    async with in_process_service(tmp_path) as service:
        for name in ("in/a.wav", "in/deep/no-suffix", "in/gone.wav.notice"):
            service.audio(name)
        given = PrefixInput((tmp_path / "in").as_uri(), include_globs=("**",))
        for output in (
            OutputConfig(layout=OutputLayout.ADJACENT, formats=formats),
            OutputConfig(layout=OutputLayout.ADJACENT),
            OutputConfig(uri=(tmp_path / "in/").as_uri()),
        ):
            ended = await service.batch_ended(await service.submit.batch(TENANT, NewBatch(given, output=output)))
            assert (ended.counts.total, ended.counts.succeeded) == (2, 2)
    assert {request.file_name for request in service.transcriber.requests} == {"a.wav", "no-suffix"}


async def test_a_file_or_an_object_that_is_named_as_a_prefix_is_the_one_that_is_taken(
    endpoint: str, tmp_path: Path
) -> None:
    async with bucket_of(endpoint, "named") as client, s3_service(endpoint, tmp_path) as service:
        await client.put_object(Bucket="named", Key="calls/one.wav", Body=b"sound")
        for uri in ("s3://named/calls/one.wav", service.audio("in/one.wav")):
            output = OutputConfig(uri=(tmp_path / "out" / uri[:2]).as_uri())
            ended = await service.batch_ended(
                await service.submit.batch(TENANT, NewBatch(PrefixInput(uri), output=output))
            )
            assert (ended.counts.total, ended.counts.succeeded) == (1, 1)
            assert [path.name for path in (tmp_path / "out" / uri[:2]).iterdir()] == ["one.wav.json"]


async def test_keys_that_no_file_can_have_get_outputs_of_their_own_below_the_folder(
    endpoint: str, tmp_path: Path
) -> None:
    async with bucket_of(endpoint, "odd-keys") as client, s3_service(endpoint, tmp_path) as service:
        for key in ("in/a//b.wav", "in/a/b.wav", "in//b.wav", "in/a/_/b.wav"):
            await client.put_object(Bucket="odd-keys", Key=key, Body=key.encode())
        found = (await client.list_objects_v2(Bucket="odd-keys", Prefix="in/"))["Contents"]
        output = OutputConfig(uri=(tmp_path / "out").as_uri())
        new = NewBatch(PrefixInput("s3://odd-keys/in"), output=output)
        ended = await service.batch_ended(await service.submit.batch(TENANT, new))
    assert ended.counts.succeeded == len(found)
    outputs = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.json")}
    assert len(outputs) == len(found)
    assert {"a/b.wav.json", "a/__/b.wav.json"} <= outputs


async def test_the_first_objects_are_transcribed_while_the_bucket_is_still_listed(
    endpoint: str, tmp_path: Path
) -> None:
    async with bucket_of(endpoint, "long-list") as client:
        numbers = iter(range(1_100))  # a page names a thousand

        async def put() -> None:
            for number in numbers:
                await client.put_object(Bucket="long-list", Key=f"in/{number:04}.wav", Body=b"sound")

        await asyncio.gather(*(put() for _ in range(8)))
        async with (
            held_line(endpoint, "continuation-token=") as line,
            s3_service(line.endpoint, tmp_path) as service,
        ):
            batch = await service.submit.batch(TENANT, NewBatch(PrefixInput("s3://long-list/in")))
            async with asyncio.timeout(PATIENCE_S):
                await line.held.wait()
                while not (now := await service.store.get_batch(TENANT, batch.id)).counts.succeeded:
                    await asyncio.sleep(0.01)
            assert (now.scanned, now.state) == (False, State.INITIALIZING)
            assert now.counts.total <= 1_000
            line.let_go.set()
            async with asyncio.timeout(PATIENCE_S):
                while not (now := await service.store.get_batch(TENANT, batch.id)).scanned:
                    await asyncio.sleep(0.01)
            assert now.counts.total == 1_100
            await service.store.cancel_batch(TENANT, batch.id)
