"""The whole service: a server of its own gets the files as one batch over gRPC and writes transcripts to disk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from batchscribe import Client, output_config
from batchscribe.v1.recognition_pb2 import DecodingConfig, RecognitionConfig
from benchmarks.stopwatch import Stopwatch
from benchmarks.task import Task
from tests.running_server import running_server


def run(task: Task, stopwatch: Stopwatch) -> list[str]:
    """Transcribe the task's files; what was heard is read from the outputs."""
    config = RecognitionConfig(
        language="en", decoding=DecodingConfig(beam_size=task.beam), word_time_offsets=task.word_times
    )
    uris = [Path(path).as_uri() for path in task.paths]
    roots = {str(Path(path).parent) for path in (*task.paths, task.warm_up)}
    options = [f"--model={task.model_folder}", "--device=cpu", *(f"--file-root={root}" for root in roots)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        output = output_config((folder / "out").as_uri() + "/", formats=["txt"])
        with running_server(folder, *options) as server, Client(server.address) as client:
            client.wait_for_completion(client.submit_batch([Path(task.warm_up).as_uri()], config=config).name)
            with stopwatch:
                batch = client.wait_for_completion(client.submit_batch(uris, output=output, config=config).name)
            jobs = {job.input_uri: job for job in client.list_jobs(batch=batch.name)}
        failed = [job for job in jobs.values() if job.HasField("error")]
        if failed:
            raise RuntimeError(f"{len(failed)} files failed: {failed[0].error}")
        return [Path(unquote(urlsplit(jobs[uri].outputs[0].uri).path)).read_text("utf-8").strip() for uri in uris]
