"""How quick the API stays while a batch runs at full speed: GetJob and CreateJob, p50 and p99.

    python -m benchmarks.latency AUDIO_FILE [--model tiny.en] [--files 400] [--calls 1000]

The audio file is named many times over in one batch; calls are made one after the other by one client, a CreateJob
after every five GetJobs, until all calls are made or the batch has ended.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import grpc

from batchscribe.v1 import (
    batch_pb2,
    batch_service_pb2,
    batch_service_pb2_grpc,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
    state_pb2,
    storage_pb2,
)
from tests.running_server import running_server


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--calls", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        calls = folder / "calls"
        calls.mkdir()
        for k in range(options.files):
            shutil.copy(options.audio, calls / f"{k:05}{options.audio.suffix}")
        with (
            running_server(folder, f"--model={options.model}") as server,
            grpc.insecure_channel(server.address) as channel,
        ):
            jobs = job_service_pb2_grpc.JobServiceStub(channel)
            batches = batch_service_pb2_grpc.BatchServiceStub(channel)
            probe = jobs.CreateJob(_create_job(calls))
            batch = batches.CreateBatch(
                batch_service_pb2.CreateBatchRequest(
                    batch=batch_pb2.Batch(
                        input=storage_pb2.InputConfig(prefix=storage_pb2.PrefixInput(uri=calls.as_uri() + "/"))
                    )
                )
            )
            while batches.GetBatch(batch_service_pb2.GetBatchRequest(name=batch.name)).counts.succeeded < 5:
                time.sleep(0.1)
            gets: list[float] = []
            creates: list[float] = []
            for call in range(options.calls):
                started = time.perf_counter()
                jobs.GetJob(job_service_pb2.GetJobRequest(name=probe.name))
                gets.append(time.perf_counter() - started)
                if call % 5 == 0:
                    started = time.perf_counter()
                    jobs.CreateJob(_create_job(calls))
                    creates.append(time.perf_counter() - started)
            batch = batches.GetBatch(batch_service_pb2.GetBatchRequest(name=batch.name))
            if batch.state != state_pb2.STATE_RUNNING:
                print("the batch had ended before the calls were made: use more --files")
            print(f"{batch.counts.succeeded + batch.counts.running} of {batch.counts.total} files were done or running")
            for label, times in (("GetJob", gets), ("CreateJob", creates)):
                p99 = statistics.quantiles(times, n=100)[98]
                print(
                    f"{label:10} {len(times):5} calls   p50 {statistics.median(times) * 1000:6.1f} ms"
                    f"   p99 {p99 * 1000:6.1f} ms   max {max(times) * 1000:6.1f} ms"
                )


def _create_job(calls: Path) -> job_service_pb2.CreateJobRequest:
    return job_service_pb2.CreateJobRequest(
        job=job_pb2.Job(input=storage_pb2.InputConfig(uri=next(calls.iterdir()).as_uri()), priority=-1)
    )


if __name__ == "__main__":
    main()
