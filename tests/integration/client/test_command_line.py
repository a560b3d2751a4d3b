"""The command line against a server: what is printed where, and what the exit code says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from typer.testing import CliRunner, Result

from batchscribe.cli import app
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.event_pb2 import BatchEvent, BatchJobChange, BatchProgress, JobEvent, StateChange
from batchscribe.v1.job_pb2 import Job
from batchscribe.v1.job_service_pb2 import ListJobsResponse
from batchscribe.v1.recognition_pb2 import OPERATING_POINT_ENHANCED, TASK_TRANSLATE, SummaryConfig, VoiceActivityConfig
from batchscribe.v1.state_pb2 import (
    STATE_CANCELLED,
    STATE_FAILED,
    STATE_QUEUED,
    STATE_RUNNING,
    STATE_SUCCEEDED,
    Counts,
    JobError,
)
from batchscribe.v1.storage_pb2 import (
    OUTPUT_LAYOUT_PREFIX,
    TRANSCRIPT_FORMAT_SRT,
    TRANSCRIPT_FORMAT_SUMMARY,
    TRANSCRIPT_FORMAT_VTT,
)
from tests.integration.client.scripted_service import TEXT, Break, Script, fail, job_history

Run = Callable[..., Result]


@pytest.fixture
def run(address: str) -> Run:
    def invoke(*arguments: str, input: bytes | None = None) -> Result:
        return CliRunner().invoke(app, ["--address", address, *arguments], input=input)

    return invoke


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(b"sound")
    return path


def failed_history(reason: str) -> list[JobEvent]:
    history = job_history(segments=0, end=STATE_FAILED)
    history[-1].state_change.error.CopyFrom(JobError(reason=reason, message="the file has no audio"))
    return history


def test_transcribe_prints_the_transcript_and_nothing_else_on_stdout(run: Run, audio: Path) -> None:
    result = run("transcribe", str(audio))
    assert result.exit_code == 0
    assert result.stdout == TEXT + "\n"
    assert "[0:00.00 - 0:00.90]  Let us begin." in result.stderr


def test_transcribe_hands_its_options_on(run: Run, script: Script, audio: Path) -> None:
    run(
        *("transcribe", str(audio), "--format", "srt", "--language", "de", "--translate", "--enhanced", "--word-times"),
        *("--hotword", "Ada", "--hotword", "Bea", "--beam-size", "7", "--no-vad", "--max-lines", "1"),
    )
    job = script.heard["CreateJob"][0].job
    assert (job.config.language, job.config.task) == ("de", TASK_TRANSLATE)
    assert job.config.operating_point == OPERATING_POINT_ENHANCED
    assert job.config.word_time_offsets
    assert list(job.config.hotwords) == ["Ada", "Bea"]
    assert job.config.decoding.beam_size == 7
    assert job.config.vad.mode == VoiceActivityConfig.MODE_NONE
    assert job.output.subtitles.max_lines == 1
    assert script.heard["GetTranscript"][0].format == TRANSCRIPT_FORMAT_SRT


def test_transcribe_prints_the_summary_that_it_asks_for(run: Run, script: Script, audio: Path) -> None:
    result = run("transcribe", str(audio), "--summary", "bullets", "--summary-length", "short")
    assert result.exit_code == 0
    summary = script.heard["CreateJob"][0].job.config.summary
    assert (summary.style, summary.length) == (SummaryConfig.STYLE_BULLETS, SummaryConfig.LENGTH_SHORT)
    assert script.heard["GetTranscript"][0].format == TRANSCRIPT_FORMAT_SUMMARY
    refused = run("transcribe", str(audio), "--format", "summary")
    assert refused.exit_code != 0
    assert len(script.heard["CreateJob"]) == 1


@pytest.mark.parametrize("command", [("transcribe",), ("job", "submit"), ("batch", "submit")])
def test_headers_go_with_urls(run: Run, script: Script, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "headers").write_text("Authorization: Bearer s3cr3t\n")
    url = "https://example.org/a.wav?x=1"
    result = run(*command, url, "--header", "X-Own: 1", "--header", f"@{tmp_path / 'headers'}")
    assert result.exit_code == 0, result.stderr
    batches = [request.batch.input for request in script.heard.get("CreateBatch", [])]
    [fetched] = [*batches, *(request.job.input for request in script.heard.get("CreateJob", []))]
    assert fetched.fetch.url == url
    assert dict(fetched.fetch.headers) == {"X-Own": "1", "Authorization": "Bearer s3cr3t"}
    assert "s3cr3t" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("transcribe", "https://example.org/a.wav", "AUDIO"),
        ("transcribe", "s3://calls/a.wav"),
        ("job", "submit", "AUDIO"),
        ("job", "submit", "file:///a.wav"),
        ("batch", "submit", "s3://calls/"),
        ("batch", "submit", "--manifest", "AUDIO"),
    ],
)
def test_headers_without_a_url_are_refused_before_anything_is_sent(
    run: Run, script: Script, audio: Path, arguments: tuple[str, ...]
) -> None:
    result = run(*(str(audio) if part == "AUDIO" else part for part in arguments), "--header", "Authorization: s3cr3t")
    assert result.exit_code == 2
    assert "https:// URL" in result.stderr
    assert "s3cr3t" not in result.stderr
    assert not script.heard


def test_transcribe_hands_on_how_speech_is_found(run: Run, script: Script, audio: Path) -> None:
    run(
        *("transcribe", str(audio), "--vad-threshold", "0.3", "--vad-min-silence-ms", "1500"),
        *("--vad-min-speech-ms", "250", "--vad-speech-pad-ms", "0"),
    )
    vad = script.heard["CreateJob"][0].job.config.vad
    assert vad.threshold == pytest.approx(0.3)
    assert (vad.min_silence.seconds, vad.min_silence.nanos) == (1, 500_000_000)
    assert vad.min_speech.nanos == 250_000_000
    assert vad.HasField("speech_pad")
    assert vad.speech_pad.nanos == 0


def test_how_long_results_are_kept_is_handed_on(run: Run, script: Script, audio: Path) -> None:
    run("transcribe", str(audio), "--retention", "36h")
    run("job", "submit", "file:///a.wav", "--retention", "7d")
    assert [request.job.retention.seconds for request in script.heard["CreateJob"]] == [129_600, 604_800]
    run("batch", "submit", "file:///in/", "--output", "file:///out/", "--retention", "90s", "--report")
    (request,) = script.heard["CreateBatch"]
    assert (request.batch.retention.seconds, request.batch.output.write_report) == (90, True)


def test_a_batch_is_changed_in_what_is_given(run: Run, script: Script) -> None:
    result = run("batch", "update", "calls", "--priority", "0", "--label", "team=a", "--label", "day=1")
    assert result.exit_code == 0
    assert "batches/calls" in result.stdout
    run("batch", "update", "batches/calls", "--no-labels", "--display-name", "", "--retention", "7d")
    assert run("--json", "batch", "update", "calls", "--priority", "9").stdout.count("\n") == 1
    changes = [(request.batch, list(request.update_mask.paths)) for request in script.heard["UpdateBatch"]]
    (first, first_fields), (second, second_fields), (third, third_fields) = changes
    assert {batch.name for batch, _ in changes} == {"batches/calls"}
    assert (first_fields, first.priority, dict(first.labels)) == (["labels", "priority"], 0, {"team": "a", "day": "1"})
    assert (second_fields, second.display_name) == (["display_name", "labels", "retention"], "")
    assert (dict(second.labels), second.retention.seconds) == ({}, 604_800)
    assert (third_fields, third.priority) == (["priority"], 9)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "give what to change"),
        (("--label", "team=a", "--no-labels"), "not both"),
        (("--label", "team"), "a label is KEY=VALUE"),
        (("--retention", "soon"), "no length of time"),
        (("--priority", "101"), "--priority"),
    ],
)
def test_a_change_that_is_none_is_refused(run: Run, script: Script, options: tuple[str, ...], why: str) -> None:
    result = run("batch", "update", "calls", *options)
    assert result.exit_code == 2
    assert why in result.stderr
    assert "UpdateBatch" not in script.heard


@pytest.mark.parametrize("command", [("transcribe", "{}"), ("job", "submit", "{}"), ("batch", "submit", "{}")])
def test_a_retention_that_is_no_time_is_refused(run: Run, script: Script, audio: Path, command: tuple[str]) -> None:
    result = run(*(word.format(audio) for word in command), "--retention", "a while")
    assert result.exit_code == 2
    assert "7d" in result.stderr
    assert not {"CreateJob", "CreateBatch", "UploadMedia"} & set(script.heard)


def test_options_for_speech_are_refused_where_all_is_transcribed(run: Run, script: Script, audio: Path) -> None:
    result = run("transcribe", str(audio), "--no-vad", "--vad-threshold", "0.3")
    assert result.exit_code == 2
    assert "--no-vad" in result.stderr
    assert "CreateJob" not in script.heard


def test_several_files_come_one_after_the_other_with_headers_on_stderr(run: Run, audio: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    other.write_bytes(b"more")
    result = run("transcribe", str(audio), str(other))
    assert result.stdout == f"{TEXT}\n{TEXT}\n"
    assert result.stderr.index("call.wav <==") < result.stderr.index("other.wav <==")


def test_standard_input_is_a_file(run: Run, script: Script) -> None:
    result = run("transcribe", "-", input=b"piped sound")
    assert result.exit_code == 0
    assert script.heard["bytes"] == [b"piped sound"]


@pytest.mark.parametrize(("word", "suffix"), [("vtt", "vtt"), ("json_v2", "v2.json"), ("ibm_json", "ibm.json")])
def test_output_is_written_to_a_folder(run: Run, audio: Path, tmp_path: Path, word: str, suffix: str) -> None:
    result = run("transcribe", str(audio), "--output", str(tmp_path / "out"), "--format", word)
    assert result.stdout == ""
    assert (tmp_path / "out" / f"call.wav.{suffix}").read_text() == TEXT
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"call.wav.{suffix}"]


def test_detach_prints_the_name_and_watches_nothing(run: Run, script: Script, audio: Path) -> None:
    result = run("transcribe", str(audio), "--detach")
    assert result.stdout == "jobs/1\n"
    assert "WatchJob" not in script.heard


def test_a_failed_file_is_told_with_its_reason(run: Run, script: Script, audio: Path) -> None:
    script.history = failed_history("NO_AUDIO")
    result = run("transcribe", str(audio))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "call.wav: failed: the file has no audio (NO_AUDIO)" in result.stderr


def test_a_refused_file_does_not_keep_the_next_from_being_done(run: Run, script: Script, audio: Path) -> None:
    script.refuse("UploadMedia", lambda c: fail(c, grpc.StatusCode.INVALID_ARGUMENT, "MEDIA_TOO_LARGE"))
    result = run("transcribe", str(audio), str(audio))
    assert result.exit_code == 2
    assert result.stdout == TEXT + "\n"
    assert "(MEDIA_TOO_LARGE)" in result.stderr


@pytest.mark.parametrize("rpc", ["WatchJob", "GetJob", "GetTranscript"])
def test_a_file_that_goes_wrong_while_it_is_followed_does_not_keep_the_next_from_being_done(
    run: Run, script: Script, audio: Path, rpc: str
) -> None:
    script.refuse(rpc, lambda c: fail(c, grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"))
    result = run("transcribe", str(audio), str(audio))
    assert result.exit_code == 4
    assert result.stdout == TEXT + "\n"
    assert result.stderr.count("(JOB_NOT_FOUND)") == 1


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_a_job_warns_of_is_told_at_its_end(run: Run, script: Script, audio: Path, more: tuple[str, ...]) -> None:
    script.job.warning = "Nobody is told apart."
    for command, label in ((("transcribe", str(audio)), "call.wav"), (("job", "watch", "1"), "jobs/1")):
        result = run(*command, *more)
        assert result.exit_code == 0
        assert f"{label}: Nobody is told apart.\n" in result.stderr
    assert "Nobody is told apart." in run("job", "get", "1").stdout


def test_a_file_that_is_not_there_is_told_before_anything_is_sent(run: Run, script: Script, audio: Path) -> None:
    result = run("transcribe", str(audio), "/nowhere/none.wav")
    assert result.exit_code == 2
    assert result.stderr == "error: /nowhere/none.wav: No such file or directory\n"
    assert script.heard == {}


def test_a_broken_watch_is_told_and_resumed(run: Run, script: Script) -> None:
    script.breaks = [Break(2)]
    result = run("job", "watch", "1")
    assert result.exit_code == 0
    assert "the connection broke (UNAVAILABLE); trying to resume" in result.stderr
    assert result.stdout.count("Let us begin.") == 1
    assert script.watched_after() == [None, 2]


def test_watched_segments_are_the_output(run: Run) -> None:
    result = run("job", "watch", "jobs/1")
    assert result.stdout == "[0:00.00 - 0:00.90]  Let us begin.\n[0:01.00 - 0:01.90]  There is enough light.\n"


def test_watch_speaks_json_lines(run: Run) -> None:
    result = run("job", "watch", "1", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [next(key for key in event if key not in ("sequence", "event_time")) for event in events] == [
        "snapshot",
        "state_change",
        "segment",
        "progress",
        "segment",
        "progress",
        "state_change",
    ]
    assert events[-1]["state_change"]["state"] == "STATE_SUCCEEDED"
    assert events[3]["progress"]["processed_duration"] == "1s"


@pytest.mark.parametrize(
    ("state", "code"),
    [(STATE_SUCCEEDED, 0), (STATE_FAILED, 1), (STATE_CANCELLED, 5)],
    ids=["done", "failed", "cancelled"],
)
def test_a_watch_ends_with_the_fate_of_the_job(run: Run, script: Script, state: int, code: int) -> None:
    script.history = job_history(end=state)
    assert run("job", "watch", "1").exit_code == code


def test_a_watch_that_takes_too_long_is_a_timeout(run: Run, script: Script, release: Callable[[], None]) -> None:
    script.history = job_history()[:2]
    result = run("job", "watch", "1", "--timeout", "0.2")
    assert result.exit_code == 6
    assert "(WAIT_TIMEOUT)" in result.stderr


@pytest.fixture
def release(script: Script) -> Iterator[Callable[[], None]]:
    event = threading.Event()
    script.hold_open = lambda: event.wait(10)
    yield event.set
    event.set()


def test_no_server_is_one_line_and_its_own_code() -> None:
    result = CliRunner().invoke(app, ["job", "list", "--address", "127.0.0.1:1"])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == (
        "error: can't reach the server at 127.0.0.1:1; is `batchscribe serve` running there? (UNAVAILABLE)\n"
    )


def test_a_missing_job_has_its_own_code(run: Run, script: Script) -> None:
    script.refuse("GetJob", lambda context: fail(context, grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"))
    result = run("job", "get", "none")
    assert result.exit_code == 4
    assert result.stderr == "error: no luck: JOB_NOT_FOUND (JOB_NOT_FOUND)\n"


def test_a_listing_is_aligned_and_knows_why_jobs_failed(run: Run, script: Script) -> None:
    time = Timestamp(seconds=1_700_000_000)
    script.pages = [
        ListJobsResponse(
            jobs=[
                Job(name="jobs/10", state=STATE_RUNNING, progress=0.42, input_uri="file:///a.wav", create_time=time),
                Job(name="jobs/9", state=STATE_FAILED, error=JobError(reason="NO_AUDIO"), create_time=time),
            ]
        )
    ]
    lines = run("job", "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "AUDIO", "CREATED", "INPUT"]
    assert "RUNNING 42%" in lines[1]
    assert "FAILED (NO_AUDIO)" in lines[2]
    assert len({line.index(word) for line, word in zip(lines, ("STATE", "RUNNING", "FAILED"), strict=True)}) == 1


def test_a_list_in_json_has_no_header(run: Run, script: Script) -> None:
    script.pages = [ListJobsResponse(jobs=[Job(name="jobs/2"), Job(name="jobs/1")])]
    assert [json.loads(line)["name"] for line in run("job", "list", "--json").stdout.splitlines()] == [
        "jobs/2",
        "jobs/1",
    ]


def test_a_limit_stops_the_list(run: Run, script: Script) -> None:
    script.pages = [ListJobsResponse(jobs=[Job(name="jobs/2"), Job(name="jobs/1")], next_page_token="1")]
    assert len(run("job", "list", "--limit", "2").stdout.splitlines()) == 3


def batch_history(failed: int) -> list[BatchEvent]:
    counts = Counts(total=2, succeeded=2 - failed, failed=failed)
    error = JobError(reason="NO_AUDIO", message="it has no audio")
    events = [
        BatchEvent(state_change=StateChange(state=STATE_RUNNING)),
        BatchEvent(job_change=BatchJobChange(job="jobs/1", input_uri="file:///a.wav", state=STATE_SUCCEEDED)),
        BatchEvent(
            job_change=BatchJobChange(job="jobs/2", input_uri="file:///b.wav", state=STATE_FAILED, error=error)
            if failed
            else BatchJobChange(job="jobs/2", input_uri="file:///b.wav", state=STATE_SUCCEEDED)
        ),
        BatchEvent(progress=BatchProgress(progress=1.0, counts=counts)),
        BatchEvent(state_change=StateChange(state=STATE_SUCCEEDED)),
    ]
    for number, event in enumerate(events, start=1):
        event.sequence = number
        event.event_time.FromSeconds(1_700_000_000 + number)
    return events


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (1, 1)])
def test_a_batch_is_watched_to_its_end(run: Run, script: Script, tmp_path: Path, failed: int, code: int) -> None:
    script.batch_history = batch_history(failed)
    script.batch = Batch(name="batches/1", state=STATE_SUCCEEDED, counts=Counts(total=2, failed=failed))
    result = run("batch", "submit", str(tmp_path), "--watch")
    assert result.exit_code == code
    assert result.stdout == "batches/1\n"
    assert "done       file:///a.wav" in result.stderr
    assert ("failed     file:///b.wav: it has no audio (NO_AUDIO)" in result.stderr) == bool(failed)


def test_a_folder_becomes_a_prefix(run: Run, script: Script, tmp_path: Path) -> None:
    run(
        *("batch", "submit", str(tmp_path), "--include", "**/*.wav", "--exclude", "old/*"),
        *("--output", str(tmp_path / "out"), "--layout", "prefix", "--format", "srt", "--format", "vtt"),
        *("--label", "team=a", "--priority", "5"),
    )
    batch = script.heard["CreateBatch"][0].batch
    assert batch.input.prefix.uri == tmp_path.as_uri() + "/"
    assert list(batch.input.prefix.include_globs) == ["**/*.wav"]
    assert list(batch.input.prefix.exclude_globs) == ["old/*"]
    assert batch.output.uri == (tmp_path / "out").as_uri()
    assert batch.output.layout == OUTPUT_LAYOUT_PREFIX
    assert list(batch.output.formats) == [TRANSCRIPT_FORMAT_SRT, TRANSCRIPT_FORMAT_VTT]
    assert dict(batch.labels) == {"team": "a"}
    assert batch.priority == 5


def test_a_manifest_is_sent_along(run: Run, script: Script, tmp_path: Path) -> None:
    manifest = tmp_path / "files.txt"
    manifest.write_text("s3://b/1.wav\ns3://b/2.wav\n")
    assert run("batch", "submit", "--manifest", str(manifest)).exit_code == 0
    files = script.heard["CreateBatch"][0].batch.input.manifest.files
    assert [entry.uri for entry in files] == ["s3://b/1.wav", "s3://b/2.wav"]


def test_what_the_server_says_of_a_list_is_said_of_its_lines(run: Run, script: Script, tmp_path: Path) -> None:
    manifest = tmp_path / "files.txt"
    manifest.write_text("# calls\n\ns3://b/1.wav\n\ns3://b/2.wav\n")
    message = "batch.input.manifest.files[1].uri: is refused"
    script.refuse("CreateBatch", lambda context: context.abort(grpc.StatusCode.INVALID_ARGUMENT, message))
    result = run("batch", "submit", "--manifest", str(manifest))
    assert result.exit_code == 2
    assert f"error: {manifest}, line 5: uri: is refused" in result.stderr


def test_a_long_manifest_is_uploaded(run: Run, script: Script, tmp_path: Path) -> None:
    manifest = tmp_path / "files.csv"
    manifest.write_text("uri\n" + "".join(f"s3://b/{number}.wav\n" for number in range(1_001)))
    assert run("batch", "submit", "--manifest", str(manifest)).exit_code == 0
    assert script.heard["CreateBatch"][0].batch.input.manifest.manifest_uri == "media/1"
    assert script.heard["bytes"][0].count(b"\n") == 1_001


def test_what_is_wrong_in_a_long_manifest_is_seen_before_anything_is_submitted(
    run: Run, script: Script, tmp_path: Path
) -> None:
    manifest = tmp_path / "files.txt"
    manifest.write_text("".join(f"s3://b/{number}.wav\n" for number in range(1_500)) + "{no JSON\n")
    result = run("batch", "submit", "--manifest", str(manifest))
    assert result.exit_code == 2
    assert "line 1501" in result.output
    assert script.heard == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["batch", "submit"],
        ["batch", "submit", "file:///a/", "--manifest", "x"],
        ["batch", "submit", "file:///a/", "--label", "team"],
        ["job", "submit", "file:///a.wav", "--beam-size", "99"],
        ["transcribe", "/"],
        ["job", "frobnicate"],
    ],
    ids=" ".join,
)
def test_wrong_usage_has_its_own_code(run: Run, script: Script, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert script.heard == {}


def test_several_jobs_are_cancelled_in_one_command(run: Run, script: Script) -> None:
    result = run("job", "cancel", "1", "jobs/2")
    assert [request.name for request in script.heard["CancelJob"]] == ["jobs/1", "jobs/2"]
    assert result.stdout == "jobs/1 CANCELLED\njobs/2 CANCELLED\n"


def test_options_after_the_command_count_before_those_before_it(address: str) -> None:
    result = CliRunner().invoke(app, ["--address", "127.0.0.1:1", "model", "list", "--address", address])
    assert result.exit_code == 0
    assert "base" in result.stdout
    assert result.stdout.endswith("This server also does: diarization.\n")


def test_the_environment_names_the_server(address: str) -> None:
    result = CliRunner().invoke(app, ["model", "list", "--json"], env={"BATCHSCRIBE_ADDRESS": address})
    assert json.loads(result.stdout)["name"] == "models/base"


def test_a_variable_that_is_misspelled_is_told(address: str) -> None:
    result = CliRunner().invoke(app, ["model", "list"], env={"BATCHSCRIBE_ADRESS": address, "BATCHSCRIBE_MODEL": "x"})
    assert result.exit_code == 3
    assert "BATCHSCRIBE_ADRESS is not read; the variable for the server is BATCHSCRIBE_ADDRESS" in result.stderr
    assert "BATCHSCRIBE_MODEL" not in result.stderr


def test_what_a_terminal_would_obey_is_escaped_in_lists_details_and_json(run: Run, script: Script) -> None:
    uri = "s3://b/\x1b]0;pwned\x07\x9b31m\u202e\ngpj.wav"
    script.job = Job(name="jobs/1", input_uri=uri, display_name=uri, labels={"k": uri})
    script.pages = [ListJobsResponse(jobs=[script.job])]
    escaped = r"s3://b/\x1b]0;pwned\x07\x9b31m\u202e\ngpj.wav"
    listed, shown, lines = run("job", "list"), run("job", "get", "1"), run("job", "list", "--json")
    assert listed.stdout.splitlines()[1].endswith(escaped)
    assert f"input     {escaped}" in shown.stdout
    assert json.loads(lines.stdout)["input_uri"] == uri
    for result in (listed, shown, lines, run("job", "watch", "1")):
        assert not set(result.output) & set("\x1b\x07\x9b\u202e")


def test_a_submitted_job_is_printed_by_name(run: Run, script: Script) -> None:
    script.job = Job(name="jobs/7", state=STATE_QUEUED)
    assert run("job", "submit", "s3://b/c.wav", "--id", "call-7").stdout == "jobs/7\n"
    assert script.heard["CreateJob"][0].job_id == "call-7"
