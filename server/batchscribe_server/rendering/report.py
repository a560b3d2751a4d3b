"""The report of a batch: JSON lines, one for each file.

    {"input": "file:///calls/a.wav", "reference_id": "", "job": "jobs/…", "state": "SUCCEEDED",
     "audio_duration": 12.345, "elapsed": 2.031, "model": "base", "language": {"code": "en", "confidence": 0.98},
     "outputs": [{"format": "json", "uri": "file:///out/a.wav.json", "size_bytes": 812, "skipped": false}],
     "warning": "", "error": null}

Every key is always there. Times are seconds: `elapsed` from the file's first start to its end, null where it never
started. A file that failed has `error`: its stable `reason` and a `message` in plain words. An output that was
`skipped` had been there before; its size is null where it was not looked at. As in transcripts, an upload has the
name of its file, and a URL neither query nor fragment.
"""

from __future__ import annotations

import json

from batchscribe_server.domain.job import Job, OutputFile
from batchscribe_server.domain.media import shown_input
from batchscribe_server.domain.url import shown_url


def render_report_line(job: Job) -> bytes:
    """The line of one job, UTF-8, with its line feed."""
    language, error = job.detected_language, job.error
    elapsed = None
    if job.start_time is not None and job.finish_time is not None:
        elapsed = round((job.finish_time - job.start_time).total_seconds(), 3)
    line = {
        "input": shown_url(shown_input(job)),
        "reference_id": job.reference_id,
        "job": job.name,
        "state": job.state.value,
        "audio_duration": job.audio_duration_ms / 1000,
        "elapsed": elapsed,
        "model": job.model,
        "language": {"code": language.code, "confidence": round(language.confidence, 3)} if language else None,
        "outputs": [_output(output) for output in job.outputs],
        "warning": job.warning,
        "error": {"reason": error.reason.value, "message": error.message} if error else None,
    }
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _output(output: OutputFile) -> dict[str, object]:
    return {
        "format": output.format.value,
        "uri": output.uri,
        "size_bytes": output.size_bytes or (None if output.skipped else 0),
        "skipped": output.skipped,
    }
