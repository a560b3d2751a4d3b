"""A line of a batch's report."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import Failure, Job, OutputFile, State
from batchscribe_server.domain.recognition import TranscriptFormat
from batchscribe_server.domain.transcript import DetectedLanguage
from batchscribe_server.rendering import render_report_line

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_line_tells_all_of_a_file_that_succeeded() -> None:
    job = Job(
        "j",
        "https://user:key@host/Grüße.wav?sig=secret#x",
        NOW,
        NOW,
        reference_id="r",
        state=State.SUCCEEDED,
        audio_duration_ms=12_345,
        model="base",
        detected_language=DetectedLanguage("de", 0.98765),
        outputs=(
            OutputFile(TranscriptFormat.JSON, "file:///out/a.json", 812),
            OutputFile(TranscriptFormat.SRT, "file:///out/a.srt", 0, skipped=True),
        ),
        warning="a corrupt tail",
        start_time=NOW,
        finish_time=NOW + timedelta(seconds=2.0314),
    )
    line = render_report_line(job)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "input": "https://host/Grüße.wav",
        "reference_id": "r",
        "job": "jobs/j",
        "state": "SUCCEEDED",
        "audio_duration": 12.345,
        "elapsed": 2.031,
        "model": "base",
        "language": {"code": "de", "confidence": 0.988},
        "outputs": [
            {"format": "json", "uri": "file:///out/a.json", "size_bytes": 812, "skipped": False},
            {"format": "srt", "uri": "file:///out/a.srt", "size_bytes": None, "skipped": True},
        ],
        "warning": "a corrupt tail",
        "error": None,
    }


def test_a_file_that_never_ran_has_the_same_keys() -> None:
    failed = Job("j", "file:///a", NOW, NOW, state=State.FAILED, error=Failure(Reason.NO_AUDIO, "Two\nlines."))
    line = json.loads(render_report_line(failed))
    assert line["error"] == {"reason": "NO_AUDIO", "message": "Two\nlines."}
    assert (line["elapsed"], line["language"], line["outputs"], line["audio_duration"]) == (None, None, [], 0.0)
    assert line.keys() == json.loads(render_report_line(Job("k", "file:///b", NOW, NOW))).keys()
