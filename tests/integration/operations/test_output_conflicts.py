"""No two files of a batch write to one place, and no output takes the place of an input."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from batchscribe_server.domain.batch import (
    BatchInput,
    ManifestEntry,
    ManifestInput,
    ManifestObjectInput,
    PrefixInput,
    SingleInput,
)
from batchscribe_server.domain.errors import InvalidArgumentError, Reason
from batchscribe_server.domain.job import Failure, Job, State
from batchscribe_server.domain.recognition import OutputConfig, OutputLayout, TranscriptFormat
from batchscribe_server.operations.store import ListQuery
from batchscribe_server.operations.submit import NewBatch, NewJob
from batchscribe_server.storage.azure_blob import AzureStorage
from batchscribe_server.storage.azure_options import AzureOptions
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.s3 import S3Storage
from batchscribe_server.storage.s3_options import S3Options
from tests.in_process_service import TENANT, InProcessService, in_process_service

pytestmark = pytest.mark.timeout(120)

TEXT = (TranscriptFormat.TEXT,)


@asynccontextmanager
async def service_with_buckets(folder: Path) -> AsyncIterator[InProcessService]:
    """The service over object stores at which nobody answers: what is refused is refused before they are asked."""
    fetched = FetchedFiles(folder / "fetched", 1 << 20)
    await fetched.start()
    async with AsyncExitStack() as stack:
        nobody = S3Options(frozenset({"*"}), "http://127.0.0.1:9", "us-east-1", "key", "secret")
        s3 = await stack.enter_async_context(S3Storage(nobody, fetched))
        az = await stack.enter_async_context(
            AzureStorage(AzureOptions(frozenset({"*"}), "http://127.0.0.1:9/account", "a2V5"), fetched)
        )
        yield await stack.enter_async_context(in_process_service(folder, storages={"s3": s3, "az": az}))


async def refused(service: InProcessService, new: NewBatch | NewJob) -> dict[str, str]:
    """The fields that a request is refused for, with their reasons."""
    with pytest.raises(InvalidArgumentError) as error:
        await (service.submit.job(TENANT, new) if isinstance(new, NewJob) else service.submit.batch(TENANT, new))
    return {violation.field: violation.reason for violation in error.value.violations}


async def jobs_by_name(service: InProcessService, batch_id: str) -> dict[str, Job]:
    page = await service.store.list_jobs(ListQuery(TENANT, 100, batch_id=batch_id))
    return {job.input_uri.rpartition("/")[2]: job for job in page.items}


def reason(job: Job) -> Reason | None:
    return job.error.reason if isinstance(job.error, Failure) else None


@pytest.mark.parametrize(
    ("inputs", "output"),
    [
        ("FOLDER/in", "FOLDER/in"),
        ("FOLDER/in", "FOLDER/link"),
        ("FOLDER/link", "FOLDER/in/"),
        ("FOLDER/in", "FOLDER/%69n"),
        ("s3://bucket/in", "S3://bucket/in/"),
        ("az://container/in", "az://container/in"),
        ("az://container/a\\in", "az://container/a/in"),
    ],
)
async def test_a_list_of_which_one_files_output_is_another_file_is_refused(
    tmp_path: Path, inputs: str, output: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    inputs, output = (uri.replace("FOLDER", tmp_path.as_uri()) for uri in (inputs, output))
    files = ManifestInput(tuple(ManifestEntry(f"{inputs}/{name}") for name in ("m1.wav", "m1.wav.txt")))
    async with service_with_buckets(tmp_path) as service:
        conflict = {"batch.input.manifest.files[1].uri": "OUTPUT_CONFLICT"}
        assert await refused(service, NewBatch(files, output=OutputConfig(uri=output, formats=TEXT))) == conflict
        adjacent = OutputConfig(OutputLayout.ADJACENT, formats=TEXT)
        assert await refused(service, NewBatch(files, output=adjacent)) == conflict
        for output_config in (OutputConfig(uri=output), OutputConfig(uri=f"{output}/deeper", formats=TEXT)):
            await service.submit.batch(TENANT, NewBatch(files, output=output_config), validate_only=True)


@pytest.mark.parametrize("name", ["m1.wav.notice", "m1.wav.channel_0.txt"])
async def test_notices_and_the_files_of_channels_are_outputs_too(tmp_path: Path, name: str) -> None:
    async with in_process_service(tmp_path) as service:
        files = ManifestInput(tuple(ManifestEntry(service.audio(each)) for each in (name, "m1.wav")))
        output = OutputConfig(OutputLayout.ADJACENT, formats=TEXT, file_per_channel=True)
        assert await refused(service, NewBatch(files, output=output)) == {
            "batch.input.manifest.files[0].uri": "OUTPUT_CONFLICT"
        }


@pytest.mark.parametrize("apart", [1, 1_200])
@pytest.mark.parametrize("audio_first", [True, False])
async def test_a_manifest_of_which_one_lines_output_is_another_lines_file_is_refused(
    tmp_path: Path, apart: int, audio_first: bool
) -> None:
    names = ["m1.wav", *(f"{number}.wav" for number in range(apart - 1)), "m1.wav.txt"]
    lines = [{"uri": (tmp_path / name).as_uri()} for name in (names if audio_first else reversed(names))]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
    async with in_process_service(tmp_path) as service:
        new = NewBatch(
            ManifestObjectInput((tmp_path / "list.jsonl").as_uri()),
            output=OutputConfig(uri=tmp_path.as_uri(), formats=TEXT),
        )
        ended = await service.batch_ended(await service.submit.batch(TENANT, new))
    assert (ended.state, ended.counts.total) == (State.FAILED, 0)
    assert ended.error is not None
    assert ended.error.reason is Reason.MANIFEST_INVALID
    # Of two entries that one thread checks at once the one that would be lost is named, or else the later one.
    first, last = f"line 1: would be replaced by an output of line {apart + 1}", f"line {apart + 1}: "
    last += (
        "would be replaced by an output of line 1"
        if audio_first
        else "has an output that would replace the file of line 1"
    )
    assert ended.error.message.endswith(f": {first if apart == 1 and not audio_first else last}.")


@pytest.mark.parametrize("layout", [OutputLayout.SINGLE, OutputLayout.PREFIX, OutputLayout.ADJACENT])
async def test_a_file_whose_output_is_the_file_itself_is_refused(tmp_path: Path, layout: OutputLayout) -> None:
    async with in_process_service(tmp_path) as service:
        uri = service.audio("in/a.txt")
        (tmp_path / "link").mkdir()
        (tmp_path / "link/a.txt.txt").symlink_to(tmp_path / "in/a.txt")
        (tmp_path / "in/a.txt.txt").symlink_to(tmp_path / "in/a.txt")
        outputs = {
            OutputLayout.SINGLE: [uri, uri.replace("a.txt", "%61.txt"), f"{tmp_path.as_uri()}/link/a.txt.txt"],
            OutputLayout.PREFIX: [f"{tmp_path.as_uri()}/link"],
            OutputLayout.ADJACENT: [""],
        }
        for output_uri in outputs[layout]:
            output = OutputConfig(layout, output_uri, TEXT)
            assert await refused(service, NewJob(uri, output=output)) == {"job.output.uri": "OUTPUT_CONFLICT"}
            inputs: list[BatchInput] = [SingleInput(uri)]
            if layout is OutputLayout.SINGLE:
                inputs.append(ManifestInput((ManifestEntry(uri),)))
            for batch_input in inputs:
                conflict = await refused(service, NewBatch(batch_input, output=output))
                assert conflict["batch.output.uri"] == "OUTPUT_CONFLICT"


@pytest.mark.parametrize("remove_stale", [False, True])
async def test_no_link_makes_an_output_replace_or_remove_what_is_no_transcript(
    tmp_path: Path, remove_stale: bool
) -> None:
    async with in_process_service(tmp_path) as service:
        bystander = service.audio("theirs/bystander.wav")
        before = (tmp_path / "theirs/bystander.wav").read_bytes()
        for name in ("a.wav.txt", "b.wav.notice"):
            (tmp_path / name).symlink_to(tmp_path / "theirs/bystander.wav")
        output = OutputConfig(OutputLayout.ADJACENT, formats=TEXT, remove_stale=remove_stale)
        job = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"), output=output)))
        missing = f"{tmp_path.as_uri()}/b.wav"
        failed = await service.ended(await service.submit.job(TENANT, NewJob(missing, output=output)))
    assert reason(job) is Reason.OUTPUT_CONFLICT
    assert job.error is not None
    assert bystander in job.error.message
    assert reason(failed) is Reason.FETCH_FAILED
    assert "The notice could not be written" in failed.warning
    assert (tmp_path / "theirs/bystander.wav").read_bytes() == before


async def test_of_files_that_a_scan_finds_with_one_output_all_but_the_first_fail_alone(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        for name in ("in/A.wav", "in/a.wav", "in/b.wav"):
            service.audio(name)
        # What tells a file system on which case does not matter: each name leads to the same file in the other case.
        (tmp_path / "out").mkdir()
        (tmp_path / "out/x").touch()
        os.link(tmp_path / "out/x", tmp_path / "out/X")
        output = OutputConfig(uri=f"{tmp_path.as_uri()}/out", formats=TEXT, remove_stale=True)
        new = NewBatch(PrefixInput(f"{tmp_path.as_uri()}/in"), output=output)
        batch = await service.batch_ended(await service.submit.batch(TENANT, new))
        jobs = await jobs_by_name(service, batch.id)
        assert (batch.counts.succeeded, batch.counts.failed) == (2, 1)
        assert {name: reason(job) for name, job in jobs.items()} == {
            "A.wav": None,
            "a.wav": Reason.OUTPUT_CONFLICT,
            "b.wav": None,
        }
        await service.store.retry_batch(TENANT, batch.id)
        batch = await service.batch_ended(batch)
        assert (batch.counts.succeeded, batch.counts.failed) == (2, 1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"x", "X", "A.wav.txt", "b.wav.txt"}


async def test_a_folder_that_is_found_twice_by_a_link_is_transcribed_once(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        service.audio("in/a/x.wav")
        (tmp_path / "in/b").symlink_to(tmp_path / "in/a")
        new = NewBatch(PrefixInput(f"{tmp_path.as_uri()}/in"), output=OutputConfig(OutputLayout.ADJACENT))
        batch = await service.batch_ended(await service.submit.batch(TENANT, new))
        assert (batch.counts.succeeded, batch.counts.failed) == (1, 1)
        assert len(service.transcriber.requests) == 1


async def test_an_output_that_a_link_leads_to_an_input_fails_its_file_and_leaves_the_input(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        for name in ("in/sub/m1.wav", "in/sub/m1.wav.txt"):
            service.audio(name)
        before = (tmp_path / "in/sub/m1.wav.txt").read_bytes()
        (tmp_path / "out").mkdir()
        (tmp_path / "out/sub").symlink_to(tmp_path / "in/sub")
        output = OutputConfig(uri=f"{tmp_path.as_uri()}/out", formats=TEXT)
        new = NewBatch(PrefixInput(f"{tmp_path.as_uri()}/in", include_globs=("**",)), output=output)
        batch = await service.batch_ended(await service.submit.batch(TENANT, new))
        jobs = await jobs_by_name(service, batch.id)
    assert {name: reason(job) for name, job in jobs.items()} == {
        "m1.wav": Reason.OUTPUT_CONFLICT,
        "m1.wav.txt": None,
    }
    assert (tmp_path / "in/sub/m1.wav.txt").read_bytes() == before


@pytest.mark.parametrize(("prefix", "output"), [("in", "link"), ("link", "in"), ("in/sub", "in"), ("in", "link/out")])
async def test_transcripts_of_an_earlier_run_are_no_inputs_whatever_way_leads_to_them(
    tmp_path: Path, prefix: str, output: str
) -> None:
    async with in_process_service(tmp_path) as service:
        service.audio("in/sub/a.wav")
        (tmp_path / "link").symlink_to(tmp_path / "in")
        new = NewBatch(
            PrefixInput(f"{tmp_path.as_uri()}/{prefix}", include_globs=("**",)),
            output=OutputConfig(uri=f"{tmp_path.as_uri()}/{output}", formats=TEXT),
        )
        for _ in range(2):
            batch = await service.batch_ended(await service.submit.batch(TENANT, new))
            assert (batch.counts.total, batch.counts.succeeded) == (1, 1)
