"""Reports of batches: where they are written, when, and what becomes of a batch whose report can't be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.domain.batch import Batch, BatchInput, PrefixInput, Report, SingleInput
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.recognition import OutputConfig, OutputLayout
from batchscribe_server.operations.submit import NewBatch
from batchscribe_server.operations.transcriber import TranscriptionRequest
from batchscribe_server.storage.stream_spool import MEMORY_BYTES, DiskStreamSpool
from tests.in_process_service import TENANT, InProcessService, in_process_service
from tests.scripted_engine import Script, ScriptedTranscriber

ADJACENT = OutputConfig(layout=OutputLayout.ADJACENT, write_report=True)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def bad_file_fails(request: TranscriptionRequest) -> Script:
    failure = JobFailure(Reason.DECODE_FAILED, "It is broken.") if request.file_name.endswith("bad.wav") else None
    return Script(failure=failure)


async def ended(
    service: InProcessService, output: OutputConfig, input: BatchInput | None = None, batch_id: str = "calls"
) -> Batch:
    input = input or PrefixInput((service.folder / "in").as_uri() + "/")
    return await service.batch_ended(
        await service.submit.batch(TENANT, NewBatch(input, output=output), batch_id=batch_id)
    )


async def test_whoever_sees_the_end_finds_a_line_for_each_file(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, ScriptedTranscriber(bad_file_fails)) as service:
        names = [f"{number:03}.wav" for number in range(120)] + ["bad.wav"]
        for name in names:
            service.audio(f"in/{name}")
        batch = await ended(service, OutputConfig(uri=(tmp_path / "out").as_uri(), write_report=True))
        lines = lines_of(tmp_path / "out" / "calls.report.jsonl")
    assert (batch.state, batch.warning) == (State.SUCCEEDED, "")
    assert batch.report_uri == (tmp_path / "out" / "calls.report.jsonl").as_uri()
    assert [line["input"].rpartition("/")[2] for line in lines] == names
    assert lines[-1]["state"] == "FAILED"
    assert lines[-1]["error"] == {"reason": "DECODE_FAILED", "message": "It is broken."}
    (output,) = lines[0]["outputs"]
    assert output["size_bytes"] == (tmp_path / "out" / "000.wav.json").stat().st_size


async def test_reports_are_no_inputs_whatever_the_globs_say(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        service.audio("in/a.wav")
        everything = PrefixInput((tmp_path / "in").as_uri(), include_globs=("*.wav", "*.jsonl"))
        await ended(service, ADJACENT, everything)
        assert lines_of(tmp_path / "in" / "calls.report.jsonl")
        again = await ended(service, ADJACENT, everything, "again")
    assert again.counts.total == 1


@pytest.mark.parametrize(
    "output", [ADJACENT, OutputConfig(layout=OutputLayout.SINGLE, uri="file://{}/a.json", write_report=True)]
)
async def test_the_report_of_one_file_lies_beside_it(tmp_path: Path, output: OutputConfig) -> None:
    async with in_process_service(tmp_path) as service:
        uri = service.audio("a.wav")
        output = OutputConfig(output.layout, output.uri.format(tmp_path), write_report=True)
        await ended(service, output, SingleInput(uri))
    assert len(lines_of(tmp_path / "calls.report.jsonl")) == 1


@pytest.mark.parametrize("through", ["in", "link"])
async def test_the_report_of_a_prefix_that_is_a_file_lies_beside_it(tmp_path: Path, through: str) -> None:
    async with in_process_service(tmp_path) as service:
        uri = service.audio("in/a.wav")
        (tmp_path / "link").symlink_to(tmp_path / "in")
        batch = await ended(service, ADJACENT, PrefixInput(uri.replace("/in/", f"/{through}/")))
    assert (batch.warning, batch.report_uri) == ("", (tmp_path / "in" / "calls.report.jsonl").as_uri())
    assert len(lines_of(tmp_path / "in" / "calls.report.jsonl")) == 1


async def test_the_report_of_a_folder_with_one_file_of_its_name_lies_in_it(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        service.audio("a.wav/a.wav")
        await ended(service, ADJACENT, PrefixInput((tmp_path / "a.wav").as_uri()))
    assert len(lines_of(tmp_path / "a.wav" / "calls.report.jsonl")) == 1


async def test_a_cancelled_batch_reports_what_was_done_and_what_was_not(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, max_running=1) as service:
        for name in ("a.wav", "b.wav"):
            service.audio(f"in/{name}")
        service.transcriber.flowing.clear()
        output = OutputConfig(uri=(tmp_path / "out").as_uri(), write_report=True)
        new = NewBatch(PrefixInput((tmp_path / "in").as_uri()), output=output)
        batch = await service.submit.batch(TENANT, new, batch_id="calls")
        await service.transcriber.started.wait()
        while not (await service.store.get_batch(TENANT, batch.id)).scanned:
            await asyncio.sleep(0)
        await service.store.cancel_batch(TENANT, batch.id)
        batch = await service.batch_ended(batch)
        lines = lines_of(tmp_path / "out" / "calls.report.jsonl")
    assert batch.state is State.CANCELLED
    assert [line["state"] for line in lines] == ["CANCELLED", "CANCELLED"]
    # The second one may have been fetched ahead by then.
    assert lines[0]["elapsed"] is not None


async def test_a_retry_writes_the_report_anew(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber(bad_file_fails)
    async with in_process_service(tmp_path, transcriber) as service:
        service.audio("in/bad.wav")
        batch = await ended(service, OutputConfig(uri=(tmp_path / "out").as_uri(), write_report=True))
        transcriber.script_for = lambda _: Script()
        await service.batch_ended(await service.store.retry_batch(TENANT, batch.id))
        (line,) = lines_of(tmp_path / "out" / "calls.report.jsonl")
    assert (line["state"], line["error"]) == ("SUCCEEDED", None)


async def test_a_report_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        service.audio("in/a.wav")
        (tmp_path / "out" / "calls.report.jsonl").mkdir(parents=True)
        batch = await ended(service, OutputConfig(uri=(tmp_path / "out").as_uri(), write_report=True))
    assert (batch.state, batch.counts.succeeded, batch.report_uri) == (State.SUCCEEDED, 1, "")
    assert "report could not be written" in batch.warning
    assert "OUTPUT_FAILED" in batch.warning


async def test_a_report_never_takes_the_place_of_an_input(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        uri = service.audio("calls.report.jsonl")
        before = (tmp_path / "calls.report.jsonl").read_bytes()
        batch = await ended(service, ADJACENT, SingleInput(uri))
    assert (tmp_path / "calls.report.jsonl").read_bytes() == before
    assert "take the place of an input" in batch.warning


async def test_a_report_that_was_cut_off_is_written_by_whoever_comes_next(tmp_path: Path) -> None:
    """As a kill leaves it: all files are done, and nothing else is known."""
    async with in_process_service(tmp_path) as service:
        service.audio("in/a.wav")
        stuck = asyncio.Event()

        async def never(batch: Batch) -> AsyncIterator[Sequence[Job]]:
            stuck.set()
            await asyncio.Event().wait()
            yield ()

        read_jobs = service.store.read_jobs
        service.store.read_jobs = never  # type: ignore[method-assign]
        output = OutputConfig(uri=(tmp_path / "out").as_uri(), write_report=True)
        new = NewBatch(PrefixInput((tmp_path / "in").as_uri()), output=output)
        batch = await service.submit.batch(TENANT, new, batch_id="calls")
        await stuck.wait()
        service.store.read_jobs = read_jobs  # type: ignore[method-assign]
        due = await service.store.get_batch(TENANT, batch.id)
        assert (due.report, due.state) == (Report.DUE, State.RUNNING)
        assert not (tmp_path / "out" / "calls.report.jsonl").exists()
    async with in_process_service(tmp_path) as service:
        batch = await service.batch_ended(due)
    assert batch.state is State.SUCCEEDED
    assert len(lines_of(tmp_path / "out" / "calls.report.jsonl")) == 1


async def test_two_who_finish_a_batch_write_the_same(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        service.audio("in/a.wav")
        batch = await ended(service, OutputConfig(uri=(tmp_path / "out").as_uri(), write_report=True))
        report = tmp_path / "out" / "calls.report.jsonl"
        first = report.read_bytes()
        report.unlink()
        # As another replica has it that was slower: for it the report is due still.
        await service.finish.finish(replace(batch, report=Report.DUE, state=State.RUNNING))
        assert report.read_bytes() == first
        assert await service.store.get_batch(TENANT, batch.id) == batch


@pytest.mark.parametrize("count", [0, 1, 3 * MEMORY_BYTES // 1000])
async def test_what_is_spooled_comes_back_and_leaves_nothing(tmp_path: Path, count: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(count):
            yield b"%09d\n" % number * 100

    async with DiskStreamSpool(tmp_path).spooled(pieces()) as spooled:
        content: Iterable[bytes] = list(spooled)
    assert b"".join(content) == b"".join([b"%09d\n" % number * 100 for number in range(count)])
    assert list(tmp_path.iterdir()) == []
