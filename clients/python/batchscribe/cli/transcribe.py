"""`batchscribe transcribe`: local files in, text out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
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
from batchscribe.cli.recognition_arguments import RecognitionArguments
from batchscribe.cli.screen import Screen, open_screen
from batchscribe.cli.views import JobView, JsonView
from batchscribe.cli.wording import file_name, size, span_seconds
from batchscribe.errors import BatchscribeError, UnavailableError, WaitTimeoutError
from batchscribe.inputs import is_uri, is_web_url
from batchscribe.outputs import format_suffix, output_config
from batchscribe.uploads import UploadProgress
from batchscribe.v1.job_pb2 import Job

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A file that became a job."""

    source: str
    job: Job


@command(app, "transcribe")
async def transcribe(
    invocation: Invocation,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Audio or video; - is standard input.")],
    recognition: RecognitionArguments,
    subtitles: SubtitleArguments,
    header: HeaderArguments,
    format: Annotated[
        FormatWord | None, typer.Option(help="The format of the transcript; txt, or with --summary the summary.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE|DIR", help="Write there instead of to standard output.")
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
    check_sources(files, output)
    format = wanted_format(format, recognition)
    headers = header.headers()
    if headers and not all(map(is_web_url, files)):
        raise ValueError("--header is for https:// URLs alone: transcribe other files by themselves")
    async with invocation.client() as client:
        run = _Run(invocation, client, format, output, span_seconds(retention) if retention else None)
        submitted = await run.submit_all(files, headers, recognition, subtitles)
        if detach:
            for one in submitted:
                invocation.print(one.job, one.job.name)
        else:
            await run.follow_all(submitted, timeout)
        return run.exit_code


class _Run:
    """One run of the command. `exit_code` is that of the first file that went wrong."""

    def __init__(
        self,
        invocation: Invocation,
        client: AsyncClient,
        format: FormatWord,
        output: Path | None,
        retention_s: float | None,
    ) -> None:
        self._invocation = invocation
        self._client = client
        self._format = format
        self._output = output
        self._retention_s = retention_s
        self.exit_code = ExitCode.DONE

    async def submit_all(
        self,
        files: list[str],
        headers: Mapping[str, str],
        recognition: RecognitionArguments,
        subtitles: SubtitleArguments,
    ) -> list[_Submitted]:
        """Upload and submit the files, so that the server can work on the first while the next are sent."""
        submitted = []
        cut = subtitles.config()
        for source in files:
            try:
                with open_screen(quiet=self._invocation.json) as screen:
                    job = await self._client.submit(
                        sys.stdin.buffer if source == "-" else source,
                        headers=headers,
                        output=None if cut is None else output_config(subtitles=cut),
                        on_upload=_upload_progress(screen, source),
                        retention_s=self._retention_s,
                        **recognition.options(),
                    )
            except UnavailableError:
                raise
            except (BatchscribeError, OSError) as error:
                if len(files) > 1:
                    self._invocation.say(f"==> {source} <==")
                self._fail(error)
                continue
            submitted.append(_Submitted(source, job))
        return submitted

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
            except LeftRunning:
                for rest in submitted[position + 1 :]:
                    self._invocation.say(f"{rest.job.name} ({rest.source}) goes on too")
                raise
            except (UnavailableError, WaitTimeoutError, BrokenPipeError):
                raise
            except (BatchscribeError, OSError) as error:
                self._fail(error)

    async def _follow(self, one: _Submitted, timeout_s: float | None, cancel: Cancel) -> None:
        """Watch a job to its end, and print its transcript or what became of it."""
        with open_screen(quiet=self._invocation.json) as screen:
            view = (
                JsonView() if self._invocation.json else JobView(screen, _label(one.source), segments_to_stdout=False)
            )
            follower = Follower(self._client, screen, timeout_s=timeout_s)
            job = await follower.job(one.job.name, view, cancel=cancel)
        if job.warning:
            self._invocation.say(f"{_label(one.source)}: {job.warning}")
        ended = exit_code_of_ended(job)
        if ended is ExitCode.DONE:
            await self._deliver(one)
        self.exit_code = self.exit_code or ended

    async def _deliver(self, one: _Submitted) -> None:
        """Print or write the transcript of a job that succeeded."""
        if self._invocation.json and self._output is None:
            return
        text = await self._client.transcript(one.job.name, self._format)
        if self._output is None:
            typer.echo(text, nl=not text.endswith("\n"))
            return
        path = output_path(self._output, one.source, self._format)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
        self._invocation.say(f"{_label(one.source)}: {path}")

    def _fail(self, error: Exception) -> None:
        report(self._invocation, error)
        self.exit_code = self.exit_code or exit_code_of(error)


def check_sources(files: list[str], output: Path | None) -> None:
    """Refuse, before anything is sent, what can't be read or would be written over. Raises OSError, ValueError."""
    if files.count("-") > 1:
        raise ValueError("standard input can be read once only")
    if output is not None and len(files) > 1 and not names_folder(output):
        raise ValueError(f"--output {output}: for several files it must be a folder; end it with a slash")
    for source in files:
        if source == "-" or is_uri(source):
            continue
        if Path(source).is_dir():
            raise ValueError(f"{source}: a folder; `batchscribe batch submit` transcribes folders")
        with Path(source).open("rb"):
            pass


def wanted_format(format: FormatWord | None, recognition: RecognitionArguments) -> FormatWord:
    """What is printed. Raises ValueError for a summary that nobody asked the server for."""
    if format is None:
        return FormatWord.SUMMARY if recognition.summary else FormatWord.TXT
    if format is FormatWord.SUMMARY and not recognition.summary:
        raise ValueError("--format summary needs a summary: add --summary bullets or --summary paragraphs")
    return format


def names_folder(output: Path) -> bool:
    """Whether an output is meant as a folder: it is one, or has no suffix that a file would have."""
    return output.is_dir() or not output.suffix


def output_path(output: Path, source: str, format: str) -> Path:
    """The file that a transcript is written to."""
    return output / f"{_label(source)}.{format_suffix(format)}" if names_folder(output) else output


def _label(source: str) -> str:
    return "stdin" if source == "-" else file_name(source)


def _upload_progress(screen: Screen, source: str) -> UploadProgress:
    label = f"uploading {_label(source)}"

    def show(sent_bytes: int, size_bytes: int) -> None:
        if size_bytes:
            screen.progress(label, sent_bytes / size_bytes, f"{size(sent_bytes)} / {size(size_bytes)}")

    return show
