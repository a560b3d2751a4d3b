"""The largest requests that are valid: none holds the event loop, none becomes much more than it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from batchscribe.v1 import batch_pb2, job_pb2
from batchscribe.v1.batch_service_pb2 import CreateBatchRequest, GetBatchRequest, ListBatchesRequest, WatchBatchRequest
from batchscribe.v1.job_service_pb2 import CreateJobRequest, ListJobsRequest
from batchscribe.v1.recognition_pb2 import DecodingConfig, RecognitionConfig, Replacement
from batchscribe.v1.storage_pb2 import InputConfig, ManifestEntry, ManifestInput, OutputConfig, PrefixInput
from tests.rpc_errors import bad_fields
from tests.rpc_server import Served, served

LONGEST_TURN_S = 0.25
"""Of the loop's processor time. 0.05 s is meant, slower machines have a margin, and without threads it is seconds."""

LARGEST_MESSAGE_BYTES = 4 << 20
WIDE = "\U0001d4b3"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


@pytest.fixture
def turns_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The processor time of each turn of the loop, which other processes do not lengthen."""
    turns: list[float] = []
    run: Callable[[asyncio.Handle], None] = asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        started_s = time.thread_time()
        run(handle)
        turns.append(time.thread_time() - started_s)

    monkeypatch.setattr(asyncio.Handle, "_run", measured)
    return turns


def large_config(*, regex: bool = False) -> RecognitionConfig:
    """As large as a config may be."""
    replacements: list[Any] = [
        {"from": f"{'a?' * 20}{number}" if regex else WIDE * 190 + str(number), "to": WIDE * 500, "regex": regex}
        for number in range(100)
    ]
    return RecognitionConfig(
        initial_prompt=WIDE * 2_000,
        hotwords=[WIDE * 100] * 200,
        replacements=[Replacement(**each) for each in replacements],
        decoding=DecodingConfig(suppressed_phrases=[WIDE * 100] * 200),
    )


def expression(pattern: str) -> Replacement:
    fields: dict[str, Any] = {"from": pattern, "regex": True}
    return Replacement(**fields)


def batch(**fields: Any) -> CreateBatchRequest:
    return CreateBatchRequest(batch=batch_pb2.Batch(output=OutputConfig(), **fields))


def manifest(folder: str, config: RecognitionConfig, entries: int, own: Callable[[int], RecognitionConfig]) -> Any:
    files = [ManifestEntry(uri=f"{folder}/{number}.wav", config=own(number)) for number in range(entries)]
    return batch(config=config, input=InputConfig(manifest=ManifestInput(files=files)))


def globs(folder: str) -> Any:
    prefix = PrefixInput(uri=folder + "/", include_globs=["?*" * 499] * 20, exclude_globs=["**/*a*/" * 100 + "Z"] * 20)
    return batch(input=InputConfig(prefix=prefix))


REQUESTS: dict[str, Callable[[str], Any]] = {
    "globs": globs,
    "a thousand entries that share a large config": lambda folder: manifest(
        folder, large_config(), 1_000, lambda _: RecognitionConfig(language="en")
    ),
    "a thousand entries with expressions of their own": lambda folder: manifest(
        folder,
        RecognitionConfig(),
        1_000,
        lambda number: RecognitionConfig(replacements=[expression(f"(a|b){number}{k}") for k in range(40)]),
    ),
    "a thousand entries with long texts of their own": lambda folder: manifest(
        folder,
        RecognitionConfig(),
        1_000,
        lambda number: RecognitionConfig(initial_prompt=f"{number}{WIDE * 900}"),
    ),
    "a large config": lambda folder: CreateJobRequest(
        job=job_pb2.Job(input=InputConfig(uri=f"{folder}/a.wav"), config=large_config(), output=OutputConfig())
    ),
    "expressions": lambda folder: CreateJobRequest(
        job=job_pb2.Job(input=InputConfig(uri=f"{folder}/a.wav"), config=large_config(regex=True))
    ),
}


@pytest.mark.parametrize("kind", REQUESTS)
async def test_no_request_holds_the_loop(service: Served, turns_s: list[float], tmp_path: Path, kind: str) -> None:
    request = REQUESTS[kind](tmp_path.as_uri())
    assert request.ByteSize() < LARGEST_MESSAGE_BYTES
    request.validate_only = True
    create: Any = service.jobs.CreateJob if isinstance(request, CreateJobRequest) else service.batches.CreateBatch
    # What is imported or built at first use is no part of it.
    small = batch(input=InputConfig(prefix=PrefixInput(uri=tmp_path.as_uri(), include_globs=["*"])))
    small.validate_only = True
    await service.batches.CreateBatch(small)
    turns_s.clear()
    with suppress(grpc.aio.AioRpcError):  # some are more complex than is taken, which takes as long to find
        await create(request)
    assert max(turns_s) < LONGEST_TURN_S


async def test_what_a_request_becomes_fits_into_the_messages_that_show_it(service: Served, tmp_path: Path) -> None:
    request = manifest(tmp_path.as_uri(), large_config(), 200, lambda _: RecognitionConfig(language="en"))
    created = await service.batches.CreateBatch(request)
    assert created.ByteSize() < request.ByteSize() + 10_000
    assert [entry.config_mask for entry in created.input.manifest.files] == ["language"] * 200
    async for event in service.batches.WatchBatch(WatchBatchRequest(name=created.name)):
        if event.WhichOneof("event") == "state_change" and event.state_change.state > 3:
            break
    assert (await service.batches.GetBatch(GetBatchRequest(name=created.name))).counts.total == 200
    listed = await service.batches.ListBatches(ListBatchesRequest())
    assert [each.name for each in listed.batches] == [created.name]

    names: list[str] = []
    token = ""
    while True:
        # As any client of gRPC takes it: with no limit of its own raised.
        page = await service.jobs.ListJobs(ListJobsRequest(page_size=1_000, page_token=token))
        assert page.total_size == 200
        names += [job.name for job in page.jobs]
        if not (token := page.next_page_token):
            break
    assert len(set(names)) == len(names) == 200


async def test_configs_that_repeat_a_large_one_too_often_are_refused(service: Served, tmp_path: Path) -> None:
    request = manifest(
        tmp_path.as_uri(), large_config(), 200, lambda number: RecognitionConfig(initial_prompt=f"call {number}")
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.batches.CreateBatch(request)
    (field,) = bad_fields(caught.value)
    assert field.endswith(".config")
    assert "give more files the same config" in str(caught.value.details())
