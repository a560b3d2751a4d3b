"""`batchscribe job`: single files."""

from __future__ import annotations

from typing import Annotated

import typer

from batchscribe.async_client import AsyncClient
from batchscribe.cli.access import AccessArguments
from batchscribe.cli.arguments import (
    FormatWord,
    OutputArguments,
    RecordArguments,
    SubtitleArguments,
)
from batchscribe.cli.command import Invocation, command
from batchscribe.cli.exit_codes import ExitCode, exit_code_of_ended
from batchscribe.cli.following import Follower
from batchscribe.cli.headers import HeaderArguments
from batchscribe.cli.listing import JOB_COLUMNS, first, job_details, job_row, state_of
from batchscribe.cli.printing import result_line
from batchscribe.cli.recognition_arguments import RecognitionArguments
from batchscribe.cli.screen import open_screen
from batchscribe.cli.views import JobView, JsonView
from batchscribe.cli.wording import aligned

app = typer.Typer(help="Single files: submit, list, watch, cancel, retry, delete, read.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="JOB", help="jobs/ID, or the ID alone.")]
Names = Annotated[list[str], typer.Argument(metavar="JOB...", help="jobs/ID, or the ID alone.")]
TimeoutS = Annotated[float | None, typer.Option("--timeout", metavar="S", help="Watch for so many seconds at most.")]


@command(app, "submit")
async def submit(
    invocation: Invocation,
    source: Annotated[str, typer.Argument(metavar="URI|FILE", help="A URI the server reads, or a file to upload.")],
    recognition: RecognitionArguments,
    output: OutputArguments,
    subtitles: SubtitleArguments,
    record: RecordArguments,
    access: AccessArguments,
    header: HeaderArguments,
    id: Annotated[str, typer.Option("--id", help="An id for it: 4 to 63 of a-z, 0-9 and hyphen.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Watch it until it ends.")] = False,
    timeout: TimeoutS = None,
) -> ExitCode | None:
    """Submit one file and print its job's name."""
    async with invocation.client() as client:
        job = await client.submit(
            source,
            auth=access.input_auth,
            headers=header.headers(),
            output=access.output(output.config(subtitles.config())),
            display_name=record.display_name,
            reference_id=record.reference_id,
            labels=record.labels(),
            priority=record.priority,
            retention_s=record.retention_s(),
            job_id=id,
            **recognition.options(),
        )
        invocation.print(job, job.name)
        return await _watch(invocation, client, job.name, timeout_s=timeout) if watch else None


@command(app, "list")
async def list_(
    invocation: Invocation,
    batch: Annotated[str, typer.Option(help="Only the jobs of this batch.")] = "",
    filter: Annotated[str, typer.Option(help='As `state = FAILED AND labels.team = "a"`.')] = "",
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="Instead of newest first.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="The most to list; 0 for all.")] = 50,
) -> None:
    """List jobs, newest first."""
    async with invocation.client() as client:
        jobs = await first(
            client.list_jobs(
                batch=batch_name(batch) if batch else "",
                filter=filter,
                order_by="create_time" if oldest_first else "",
                page_size=min(limit, 1000),
            ),
            limit,
        )
    invocation.print_table(JOB_COLUMNS, jobs, job_row)


@command(app, "get")
async def get(
    invocation: Invocation,
    name: Name,
    wait: Annotated[float, typer.Option(metavar="S", min=0, max=300, help="Wait so long for it to end.")] = 0.0,
) -> None:
    """Show a job."""
    async with invocation.client() as client:
        job = await client.get_job(job_name(name), wait_s=wait)
    invocation.print(job, "\n".join(aligned(job_details(job))))


@command(app, "watch")
async def watch(
    invocation: Invocation,
    name: Name,
    after_sequence: Annotated[int | None, typer.Option(min=0, help="Only what came after this event.")] = None,
    segments: Annotated[bool, typer.Option("--segments/--no-segments", help="Print what is heard.")] = True,
    timeout: TimeoutS = None,
) -> ExitCode:
    """Watch a job until it ends: what is heard on standard output, all else on standard error."""
    async with invocation.client() as client:
        return await _watch(
            invocation,
            client,
            job_name(name),
            after_sequence=after_sequence,
            include_segments=segments,
            timeout_s=timeout,
        )


@command(app, "cancel")
async def cancel(invocation: Invocation, names: Names) -> None:
    """Stop jobs."""
    async with invocation.client() as client:
        for name in names:
            job = await client.cancel_job(job_name(name))
            invocation.print(job, f"{job.name} {state_of(job)}")


@command(app, "retry")
async def retry(invocation: Invocation, names: Names) -> None:
    """Run failed or cancelled jobs again."""
    async with invocation.client() as client:
        for name in names:
            job = await client.retry_job(job_name(name))
            invocation.print(job, f"{job.name} {state_of(job)}")


@command(app, "delete")
async def delete(
    invocation: Invocation,
    names: Names,
    outputs: Annotated[bool, typer.Option("--outputs", help="Delete the transcripts that were written too.")] = False,
) -> None:
    """Remove jobs, and cancel those that are active."""
    async with invocation.client() as client:
        for name in names:
            await client.delete_job(job_name(name), delete_outputs=outputs)
            invocation.say(f"{job_name(name)} deleted")


@command(app, "transcript")
async def transcript(
    invocation: Invocation,
    name: Name,
    format: Annotated[FormatWord, typer.Option(help="The format.")] = FormatWord.TXT,
    channel: Annotated[int | None, typer.Option(min=0, help="One channel alone.")] = None,
) -> None:
    """Print the transcript of a job that succeeded."""
    async with invocation.client() as client:
        text = await client.transcript(job_name(name), format, channel=channel)
    if text.strip():
        result_line(text)
    else:
        invocation.say(f"{job_name(name)}: no speech was found")


def job_name(name: str) -> str:
    """The resource name of a job that is given by it or by its id."""
    return name if "/" in name else f"jobs/{name}"


def batch_name(name: str) -> str:
    """The resource name of a batch that is given by it or by its id."""
    return name if "/" in name else f"batches/{name}"


async def _watch(
    invocation: Invocation,
    client: AsyncClient,
    name: str,
    *,
    after_sequence: int | None = None,
    include_segments: bool = True,
    timeout_s: float | None,
) -> ExitCode:
    with open_screen(quiet=invocation.json) as screen:
        view = JsonView() if invocation.json else JobView(screen, segments_to_stdout=True)
        job = await Follower(client, screen, timeout_s=timeout_s).job(
            name, view, after_sequence=after_sequence, include_segments=include_segments
        )
    if job.warning:
        invocation.say(f"{job.name}: {job.warning}")
    return exit_code_of_ended(job)
