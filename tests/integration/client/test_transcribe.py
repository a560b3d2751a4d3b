"""`batchscribe transcribe` and the files around it: what it reads, what it writes, and that no text is lost unsaid."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from batchscribe.cli import app
from batchscribe.v1.storage_pb2 import TRANSCRIPT_FORMAT_SRT, TRANSCRIPT_FORMAT_TEXT
from tests.integration.client.scripted_service import TEXT, Script, fail

PATIENCE_S = 60.0
COMMAND = Path(sys.executable).with_name("batchscribe")

Transcribe = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def transcribe(address: str, tmp_path: Path) -> Transcribe:
    """The command as a process of its own, in a folder with two recordings."""
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"sound of " + name.encode())

    def run(*arguments: str | bytes, env: dict[str, str] | None = None, **options: Any) -> Any:
        return subprocess.run(
            [COMMAND, "--address", address, "transcribe", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONUTF8": "0"} | (env or {}),
            timeout=PATIENCE_S,
            check=False,
            **({"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options),
        )

    return run


def test_an_output_over_an_input_is_refused_before_anything_is_sent(
    transcribe: Transcribe, script: Script, tmp_path: Path
) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "t.txt").symlink_to(tmp_path / "a.wav")
    for output in ("a.wav", "links/t.txt"):
        assert transcribe("a.wav", "--output", output).returncode == 2
    with (tmp_path / "a.wav").open("rb") as sound, (tmp_path / "b.wav").open("ab") as appended:
        assert transcribe("-", "--output", "links/t.txt", stdin=sound).returncode == 2
        assert b"standard output is b.wav" in transcribe("b.wav", stdout=appended).stderr
    assert (tmp_path / "a.wav").read_bytes() == b"sound of a.wav"
    assert (tmp_path / "b.wav").read_bytes() == b"sound of b.wav"
    assert script.heard == {}


def test_what_will_be_read_is_known_when_it_is_submitted(
    transcribe: Transcribe, script: Script, tmp_path: Path
) -> None:
    transcribe("a.wav", "--output", "x.srt")
    transcribe("a.wav", "b.wav", "--format", "srt", "--format", "txt", "--output", "out/")
    both = [TRANSCRIPT_FORMAT_SRT, TRANSCRIPT_FORMAT_TEXT]
    submitted = [list(request.job.output.formats) for request in script.heard["CreateJob"]]
    assert submitted == [[TRANSCRIPT_FORMAT_SRT], both, both]
    assert [request.format for request in script.heard["GetTranscript"]] == [TRANSCRIPT_FORMAT_SRT, *both, *both]
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.suffix != ".wav")
    assert written == ["out", "out/a.wav.srt", "out/a.wav.txt", "out/b.wav.srt", "out/b.wav.txt", "x.srt"]


def test_options_are_checked_before_anything_is_uploaded(transcribe: Transcribe, script: Script) -> None:
    script.refuse("ValidateJob", lambda context: fail(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"))
    refused = transcribe("a.wav", "b.wav", "--language", "xx")
    assert refused.returncode == 2
    assert refused.stderr.count(b"INVALID_FIELD") == 2  # of one message
    assert set(script.heard) == {"ValidateJob"}


def test_a_name_that_is_not_utf_8_is_sent_with_replacements(
    transcribe: Transcribe, script: Script, tmp_path: Path
) -> None:
    name = b"latin1-\xe9.wav"
    (tmp_path / os.fsdecode(name)).write_bytes(b"sound")
    for output in ([], ["--output", "out/"]):
        done = transcribe(name, "b.wav", *output)
        assert done.returncode == 0, done.stderr
    assert [header.file_name for header in script.heard["UploadMedia"][:2]] == ["latin1-\ufffd.wav", "b.wav"]
    assert b"==> latin1-\\xe9.wav <==" in done.stderr
    assert (tmp_path / "out" / os.fsdecode(name + b".txt")).read_text() == TEXT
    wrong = transcribe("a.wav", "--initial-prompt", os.fsdecode(b"caf\xe9"))
    assert (wrong.returncode, wrong.stderr) == (2, b"error: caf\\xe9: is not UTF-8\n")


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1"])
def test_transcripts_are_utf_8_whatever_the_locale(transcribe: Transcribe, script: Script, locale: str) -> None:
    script.text = "Grüße, 世界"
    done = transcribe("a.wav", env={"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1"})
    assert (done.returncode, done.stdout) == (0, "Grüße, 世界\n".encode())


@pytest.mark.parametrize("name", ["pipe", "/dev/stdin"])
def test_a_pipe_is_read_once_by_whoever_opens_it(
    transcribe: Transcribe, script: Script, tmp_path: Path, name: str
) -> None:
    if name == "/dev/stdin":
        done = transcribe(name, input=b"piped sound", stdin=None)
    else:
        os.mkfifo(tmp_path / name)
        writer = threading.Thread(target=(tmp_path / name).write_bytes, args=(b"piped sound",))
        writer.start()
        done = transcribe(name)
        writer.join(PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert script.heard["bytes"] == [b"piped sound"]
    assert script.heard["UploadMedia"][0].file_name == Path(name).name


def test_what_is_no_file_and_no_pipe_is_refused(transcribe: Transcribe, script: Script) -> None:
    assert b"/dev/zero: neither a file nor a pipe" in transcribe("/dev/zero").stderr
    closed = transcribe("-", stdin=None, preexec_fn=lambda: os.close(0))
    assert b"standard input is no file" in closed.stderr
    assert script.heard == {}


def lose_stdout() -> None:
    os.close(1)


def reader_gone() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize(
    "lost",
    [
        lambda: {"stdout": None, "preexec_fn": lose_stdout},
        lambda: {"stdout": os.open("/dev/full", os.O_WRONLY)},
        lambda: {"stdout": reader_gone()},
    ],
    ids=["closed", "full", "broken pipe"],
)
def test_a_text_that_cannot_be_printed_is_said_to_be_with_the_service(
    transcribe: Transcribe, lost: Callable[[], dict[str, Any]]
) -> None:
    done = transcribe("a.wav", "b.wav", **lost())
    assert done.returncode != 0
    assert b"batchscribe job transcript jobs/1 --format txt" in done.stderr
    assert b"error: standard output: " in done.stderr
    assert b"jobs/1 (b.wav) goes on; watch it with: batchscribe job watch jobs/1" in done.stderr
    assert b"Exception" not in done.stderr


def test_a_text_that_cannot_be_written_is_with_the_service_and_the_next_file_is_done(
    transcribe: Transcribe, script: Script, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    script.refuse("GetTranscript", lambda _: (tmp_path / "out" / "a.wav.srt").mkdir())
    done = transcribe("a.wav", "b.wav", "--output", "out/", "--format", "srt")
    assert done.returncode == 2
    assert b"a.wav: the transcript is kept by the service; get it with: " in done.stderr
    assert b"batchscribe job transcript jobs/1 --format srt" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.wav.srt", "b.wav.srt"]
    assert (tmp_path / "out" / "b.wav.srt").read_text() == TEXT


def test_a_silent_file_prints_nothing_and_says_so(transcribe: Transcribe, script: Script, address: str) -> None:
    script.text = ""
    done = transcribe("a.wav")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"a.wav: no speech was found" in done.stderr
    read = CliRunner().invoke(app, ["job", "transcript", "1", "--address", address])
    assert (read.exit_code, read.stdout, read.stderr) == (0, "", "jobs/1: no speech was found\n")


def test_what_a_terminal_would_obey_is_escaped(transcribe: Transcribe, tmp_path: Path) -> None:
    name = "a\x1b]0;pwned\x07\u202e\nb.wav"
    (tmp_path / name).write_bytes(b"sound")
    done = transcribe(name, "b.wav")
    assert rb"==> a\x1b]0;pwned\x07\u202e\nb.wav <==" in done.stderr
