"""An exception that nobody expects, at every await of the tasks that a server is made of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import structlog

from batchscribe_server.domain.batch import PrefixInput
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.recognition import OutputConfig, OutputLayout
from batchscribe_server.operations import supervision
from batchscribe_server.operations.housekeeping import Housekeeping, KeepingPolicy
from batchscribe_server.operations.submit import NewBatch, NewJob
from batchscribe_server.operations.supervision import keep_running
from tests.in_process_service import TENANT, InProcessService, in_process_service
from tests.injected_faults import InjectedError, InjectedFaults, Site
from tests.scripted_children import TWO_WORKERS, Children, running
from tests.scripted_media import write_script

if TYPE_CHECKING:
    from tests.scripted_engine import ScriptedTranscriber

SUPERVISED = {
    "operations": {"dispatch", "finish_batch", "housekeeping", "polling", "run_job", "scan_batch"},
    "store": {"commit"},
    "transcriber": {"engine_process", "media_pool", "media_task"},
}
"""The modules whose loops are supervised."""


async def a_round(service: InProcessService, number: int) -> list[Job]:
    """Three files by themselves and a folder of two: the jobs, once all have ended."""
    files = [write_script(service.folder / f"{number}-{k}.json", [1, 2]) for k in range(3)]
    folder = service.folder / f"folder-{number}"
    folder.mkdir()
    for k in range(2):
        write_script(folder / f"{k}.json", [3])
    jobs = [await service.submit.job(TENANT, NewJob(file.as_uri())) for file in files]
    output = OutputConfig(OutputLayout.PREFIX, (service.folder / "out").as_uri(), write_report=True)
    batch = await service.submit.batch(TENANT, NewBatch(PrefixInput(folder.as_uri() + "/", ("*.json",)), output=output))
    ended = await asyncio.gather(*map(service.ended, jobs))
    batch = await service.batch_ended(batch)
    async for page in service.store.read_jobs(batch):
        ended += page
    return ended


async def test_a_fault_at_any_await_costs_one_job_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "LONGEST_PAUSE_S", 0.05)
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])  # the stacks are long
    faults, tried = InjectedFaults(), list[Site]()
    with faults.watching():
        async with (
            running(Children(tmp_path).config(TWO_WORKERS)) as transcriber,
            in_process_service(tmp_path, cast("ScriptedTranscriber", transcriber), lease_s=1.0) as service,
        ):
            policy = KeepingPolicy(history_s=3600.0, interval_s=0.2)
            keeping = Housekeeping(service.store, service.uploads, policy, sole_owner=True)
            task = asyncio.create_task(keep_running("housekeeping", keeping.run))
            try:
                assert [job.state for job in await a_round(service, 0)] == [State.SUCCEEDED] * 5
                while untried := faults.seen - set(tried):
                    site = faults.armed = min(untried)
                    tried.append(site)
                    try:
                        jobs = await a_round(service, len(tried))
                    except (
                        InjectedError
                    ):  # what is committed together has one fate: here the test's own writes were in it
                        assert site.function == "GroupCommit._run", site
                        continue
                    failed = [job for job in jobs if job.state is not State.SUCCEEDED]
                    assert len(failed) <= (5 if site.file == "store/commit.py" else 1), (site, failed)
                    assert {job.error.reason for job in failed if job.error} <= {Reason.INTERNAL}, (site, failed)
                faults.armed = None
                jobs = await a_round(service, len(tried) + 1)
            finally:
                task.cancel()
    assert [job.state for job in jobs] == [State.SUCCEEDED] * 5
    assert {site.file for site in tried} >= {
        f"{part}/{name}.py" for part, names in SUPERVISED.items() for name in names
    }
