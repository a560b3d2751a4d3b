"""`batchscribe transcribe`: local files in, text out."""

from __future__ import annotations

import asyncio
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from batchscribe.async_client import AsyncClient
from batchscribe.cli.arguments import FormatWord, Retention, SubtitleArguments
from batchscribe.cli.command import Invocation, command, report
from batchscribe.cli.exit_codes import ExitCode, exit_code_of, exit_code_of_ended
from batchscribe.cli.following import Cancel, Follower
from batchscribe.cli.headers import HeaderArguments
from batchscribe.cli.interrupts import LeftRunning
from batchscribe.cli.job import TimeoutS
from batchscribe.cli.output_plan import Target, label, plan_outputs, wanted_formats, write_transcript
from batchscribe.cli.printing import result_line
from batchscribe.cli.recognition_arguments import RecognitionArguments
from batchscribe.cli.screen import Screen, open_screen
from batchscribe.cli.views import JobView, JsonView
from batchscribe.cli.wording import size, span_seconds
from batchscribe.errors import BatchscribeError, UnavailableError, WaitTimeoutError
from batchscribe.inputs import is_uri, is_web_url
from batchscribe.outputs import output_config
from batchscribe.recognition import RecognitionOptions, recognition_config
from batchscribe.times import duration_of
from batchscribe.uploads import UploadProgress
from batchscribe.v1.job_pb2 import Job, Media
from batchscribe.v1.storage_pb2 import OutputConfig

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A file that became a job, and where its transcripts go."""

    source: str
    targets: Sequence[Target]
    job: Job


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for, of each file alike."""

    options: RecognitionOptions
    headers: Mapping[str, str]
    retention_s: float | None
    output: OutputConfig = field(default_factory=OutputConfig)

    def job(self) -> Job:
        """A job without a file, to see whether the service would take it."""
        retention = None if self.retention_s is None else duration_of(self.retention_s)
        return Job(config=recognition_config(self.options), output=self.output, retention=retention)


class _StdoutLostError(OSError):
    """Standard output takes no more."""


@command(app, "transcribe")
async def transcribe(
    invocation: Invocation,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Audio or video; - is standard input.")],
    recognition: RecognitionArguments,
    subtitles: SubtitleArguments,
    header: HeaderArguments,
    format: Annotated[
        list[FormatWord] | None,
        typer.Option(
            help="The format of the transcript; else what --output's suffix says, else txt, or with --summary the "
            "summary. Repeatable with --output FOLDER/."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(metavar="FILE|DIR/", help="Write there instead of to standard output."),
    ] = None,
    retention: Retention = "",
    detach: Annotated[bool, typer.Option("--detach", help="Submit, print the jobs' names, and return.")] = False,
    timeout: TimeoutS = None,
) -> ExitCode:
    """Transcribe files and print what is said.

    The transcripts go to standard output, one after the other, and everything else to standard error. With --json the
    events of the jobs go to standard output as JSON lines, and the transcripts only to --output. With --summary it is
    the summary that is printed, unless --format asks for the transcript.
    """
    wanted = _Wanted(recognition.options(), header.headers(), span_seconds(retention) if retention else None)
    if wanted.headers and not all(map(is_web_url, files)):
        raise ValueError("--header is for https:// URLs alone: transcribe other files by themselves")
    check_sources(files)
    formats = wanted_formats(format, output, has_summary=bool(recognition.summary))
    # The service times the words of a transcript that is going to be read in a format that shows their times.
    wanted.output.CopyFrom(output_config(formats=formats, subtitles=subtitles.config()))
    plan = plan_outputs(files, output, formats)
    async with invocation.client() as client:
        await client.create_job(wanted.job(), validate_only=True)
        run = _Run(invocation, client)
        submitted = await run.submit_all(zip(files, plan, strict=True), wanted)
        if detach:
            for one in submitted:
                invocation.print(one.job, one.job.name)
        else:
            await run.follow_all(submitted, timeout)
        return run.exit_code


class _Run:
    """One run of the command. `exit_code` is that of the first file that went wrong."""

    def __init__(self, invocation: Invocation, client: AsyncClient) -> None:
        self._invocation = invocation
        self._client = client
        self.exit_code = ExitCode.DONE

    async def submit_all(self, files: Iterable[tuple[str, Sequence[Target]]], wanted: _Wanted) -> list[_Submitted]:
        """Upload and submit the files, so that the server can work on the first while the next are sent."""
        submitted: list[_Submitted] = []
        for source, targets in files:
            try:
                job = await self._submit(source, wanted)
            except (UnavailableError, asyncio.CancelledError):
                self._tell_left(submitted)
                raise
            except (BatchscribeError, OSError) as error:
                self._invocation.say(f"==> {source} <==")
                self._fail(error)
                continue
            submitted.append(_Submitted(source, targets, job))
        return submitted

    async def _submit(self, source: str, wanted: _Wanted) -> Job:
        audio: str | Media = source
        if not is_uri(source):
            file = sys.stdin.buffer if source == "-" else source
            with open_screen(quiet=self._invocation.json) as screen:
                audio = await self._client.upload(file, on_progress=_upload_progress(screen, source))
        return await self._client.submit(
            audio,
            headers=wanted.headers,
            output=wanted.output,
            retention_s=wanted.retention_s,
            **wanted.options,
        )

    async def follow_all(self, submitted: list[_Submitted], timeout_s: float | None) -> None:
        """Watch the jobs one after the other and print their transcripts."""

        async def cancel_rest(_: str) -> None:
            for one in submitted[position:]:
                await self._client.cancel_job(one.job.name)

        for position, one in enumerate(submitted):
            if len(submitted) > 1:
                self._invocation.say(f"==> {one.source} <==")
            try:
                await self._follow(one, timeout_s, cancel_rest)
            except (UnavailableError, WaitTimeoutError, LeftRunning, _StdoutLostError) as error:
                self._tell_left(submitted[position + 1 :])
                if not isinstance(error, _StdoutLostError):
                    raise
                self._fail(error)
                return
            except (BatchscribeError, OSError) as error:
                self._fail(error)

    async def _follow(self, one: _Submitted, timeout_s: float | None, cancel: Cancel) -> None:
        """Watch a job to its end, and print its transcript or what became of it."""
        with open_screen(quiet=self._invocation.json) as screen:
            view = JsonView() if self._invocation.json else JobView(screen, label(one.source), segments_to_stdout=False)
            follower = Follower(self._client, screen, timeout_s=timeout_s)
            job = await follower.job(one.job.name, view, cancel=cancel)
        if job.warning:
            self._invocation.say(f"{label(one.source)}: {job.warning}")
        ended = exit_code_of_ended(job)
        if ended is ExitCode.DONE:
            for target in one.targets:
                await self._deliver(one, target)
        self.exit_code = self.exit_code or ended

    async def _deliver(self, one: _Submitted, target: Target) -> None:
        """Print or write a transcript of a job that succeeded. A text that does not arrive is not lost in silence."""
        if self._invocation.json and target.path is None:
            return
        try:
            text = await self._client.transcript(one.job.name, target.format)
            if not text.strip():
                self._invocation.say(f"{label(one.source)}: no speech was found")
            if target.path is not None:
                write_transcript(target.path, text)
                self._invocation.say(f"{label(one.source)}: {target.path}")
            elif text.strip():
                _print(text)
        except (BatchscribeError, OSError):
            self._invocation.say(
                f"{label(one.source)}: the transcript is kept by the service; get it with: "
                f"batchscribe job transcript {one.job.name} --format {target.format}"
            )
            raise

    def _tell_left(self, left: Iterable[_Submitted]) -> None:
        for one in left:
            self._invocation.say(
                f"{one.job.name} ({one.source}) goes on; watch it with: batchscribe job watch {one.job.name}"
            )

    def _fail(self, error: Exception) -> None:
        report(self._invocation, error)
        self.exit_code = self.exit_code or exit_code_of(error)


def check_sources(files: Sequence[str]) -> None:
    """Refuse, before anything is sent, what can't be read. Raises OSError, ValueError."""
    if files.count("-") > 1:
        raise ValueError("standard input can be read once only")
    for source in files:
        if source == "-":
            if sys.stdin is None or sys.stdin.isatty():
                raise ValueError("standard input is no file and no pipe: give it audio, as `batchscribe … - < a.wav`")
        elif not is_uri(source):
            _check_file(source)


def _check_file(source: str) -> None:
    mode = Path(source).stat().st_mode
    if stat.S_ISDIR(mode):
        raise ValueError(f"{source}: a folder; `batchscribe batch submit` transcribes folders")
    if stat.S_ISREG(mode):
        with Path(source).open("rb"):
            return
    # A pipe is not tried: whoever writes to it would take that for its reader, and it can be read once only.
    if not stat.S_ISFIFO(mode):
        raise ValueError(f"{source}: neither a file nor a pipe")


def _print(text: str) -> None:
    try:
        result_line(text)
    except OSError as error:
        raise _StdoutLostError(error.errno, error.strerror, error.filename) from error


def _upload_progress(screen: Screen, source: str) -> UploadProgress:
    uploading = f"uploading {label(source)}"

    def show(sent_bytes: int, size_bytes: int) -> None:
        if size_bytes:
            screen.progress(uploading, sent_bytes / size_bytes, f"{size(sent_bytes)} / {size(size_bytes)}")

    return show
