"""`batchscribe batch`: many files under one request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from batchscribe.async_client import AsyncClient
from batchscribe.cli.access import AccessArguments
from batchscribe.cli.arguments import OutputArguments, RecordArguments, Retention, SubtitleArguments
from batchscribe.cli.command import Invocation, command
from batchscribe.cli.exit_codes import ExitCode, exit_code_of_ended
from batchscribe.cli.following import Follower
from batchscribe.cli.headers import HeaderArguments
from batchscribe.cli.job import TimeoutS, batch_name
from batchscribe.cli.listing import BATCH_COLUMNS, JOB_COLUMNS, batch_details, batch_row, first, job_row, state_of
from batchscribe.cli.manifest import Manifest
from batchscribe.cli.recognition_arguments import RecognitionArguments
from batchscribe.cli.screen import open_screen
from batchscribe.cli.views import BatchView, JsonView, files_note
from batchscribe.cli.wording import aligned
from batchscribe.errors import BatchscribeError
from batchscribe.inputs import input_of, is_upload, is_uri, is_web_url, uri_of
from batchscribe.manifests import manifest_at
from batchscribe.times import duration_of
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.storage_pb2 import InputConfig, PrefixInput

app = typer.Typer(help="Many files at once: submit, list, watch, update, cancel, retry, delete.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="BATCH", help="batches/ID, or the ID alone.")]
Names = Annotated[list[str], typer.Argument(metavar="BATCH...", help="batches/ID, or the ID alone.")]


@command(app, "submit")
async def submit(
    invocation: Invocation,
    recognition: RecognitionArguments,
    output: OutputArguments,
    subtitles: SubtitleArguments,
    record: RecordArguments,
    access: AccessArguments,
    header: HeaderArguments,
    source: Annotated[
        str | None,
        typer.Argument(metavar="URI|PATH", help="A folder or prefix that the server reads, or one file or object."),
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Only such files, as '**/*.wav'. Repeatable.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="No such files. Repeatable.")] = None,
    manifest: Annotated[
        str | None,
        typer.Option(metavar="FILE|URI", help="A list of files: JSON lines or CSV; a local one may be plain lines."),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write a report of all files at the end: BATCH.report.jsonl.")
    ] = False,
    id: Annotated[str, typer.Option("--id", help="An id for it: 4 to 63 of a-z, 0-9 and hyphen.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Watch it until it ends.")] = False,
    timeout: TimeoutS = None,
) -> ExitCode | None:
    """Submit many files and print their batch's name. Paths are paths of the server's machine."""
    given = input_config(source, include or [], exclude or [], manifest, header.headers())
    async with invocation.client() as client, _lines_of(given):
        batch = await client.submit_batch(
            given,
            auth=access.input_auth,
            output=access.output(output.config(subtitles.config(), write_report=report)),
            display_name=record.display_name,
            reference_id=record.reference_id,
            labels=record.labels(),
            priority=record.priority,
            retention_s=record.retention_s(),
            batch_id=id,
            **recognition.options(),
        )
        invocation.print(batch, batch.name)
        return await _watch(invocation, client, batch.name, timeout_s=timeout) if watch else None


@command(app, "list")
async def list_(
    invocation: Invocation,
    filter: Annotated[str, typer.Option(help='As `state = RUNNING AND labels.team = "a"`.')] = "",
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="Instead of newest first.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="The most to list; 0 for all.")] = 50,
) -> None:
    """List batches, newest first."""
    async with invocation.client() as client:
        order_by = "create_time" if oldest_first else ""
        batches = await first(client.list_batches(filter=filter, order_by=order_by, page_size=min(limit, 1000)), limit)
    invocation.print_table(BATCH_COLUMNS, batches, batch_row)


@command(app, "get")
async def get(invocation: Invocation, name: Name) -> None:
    """Show a batch."""
    async with invocation.client() as client:
        batch = await client.get_batch(batch_name(name))
    invocation.print(batch, "\n".join(aligned(batch_details(batch))))


@command(app, "jobs")
async def jobs(
    invocation: Invocation,
    name: Name,
    filter: Annotated[str, typer.Option(help="As `state = FAILED`.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="The most to list; 0 for all.")] = 0,
) -> None:
    """List the files of a batch."""
    async with invocation.client() as client:
        pages = client.list_jobs(batch=batch_name(name), filter=filter, order_by="create_time", page_size=1000)
        found = await first(pages, limit)
    invocation.print_table(JOB_COLUMNS, found, job_row)


@command(app, "watch")
async def watch(
    invocation: Invocation,
    name: Name,
    after_sequence: Annotated[int | None, typer.Option(min=0, help="Only what came after this event.")] = None,
    timeout: TimeoutS = None,
) -> ExitCode:
    """Watch a batch until it ends."""
    async with invocation.client() as client:
        return await _watch(invocation, client, batch_name(name), after_sequence=after_sequence, timeout_s=timeout)


@command(app, "update")
async def update(
    invocation: Invocation,
    name: Name,
    display_name: Annotated[str | None, typer.Option(help="A name for people; '' for none.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A label, in place of all that it has. Repeatable.")
    ] = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Remove its labels.")] = False,
    priority: Annotated[
        int | None, typer.Option(min=-100, max=100, help="Higher goes first; also for files that run.")
    ] = None,
    retention: Retention = "",
) -> None:
    """Change a batch; what is not given stays as it is."""
    if label and no_labels:
        raise ValueError("give --label or --no-labels, not both")
    record = RecordArguments(label=label, retention=retention)
    kept_s = record.retention_s()
    changes: dict[str, Any] = {
        "display_name": display_name,
        "labels": record.labels() if label or no_labels else None,
        "priority": priority,
        "retention": None if kept_s is None else duration_of(kept_s),
    }
    given = {field: value for field, value in changes.items() if value is not None}
    if not given:
        raise ValueError("give what to change: --display-name, --label, --no-labels, --priority or --retention")
    async with invocation.client() as client:
        batch = await client.update_batch(Batch(name=batch_name(name), **given), fields=list(given))
    invocation.print(batch, "\n".join(aligned(batch_details(batch))))


@command(app, "cancel")
async def cancel(invocation: Invocation, names: Names) -> None:
    """Stop batches; what is done stays."""
    async with invocation.client() as client:
        for name in names:
            batch = await client.cancel_batch(batch_name(name))
            invocation.print(batch, f"{batch.name} {state_of(batch)}")


@command(app, "retry")
async def retry(invocation: Invocation, names: Names) -> None:
    """Run the files of batches again that failed or were cancelled."""
    async with invocation.client() as client:
        for name in names:
            batch = await client.retry_batch(batch_name(name))
            invocation.print(batch, f"{batch.name} {state_of(batch)}")


@command(app, "delete")
async def delete(
    invocation: Invocation,
    names: Names,
    outputs: Annotated[bool, typer.Option("--outputs", help="Delete the transcripts that were written too.")] = False,
) -> None:
    """Remove batches with their jobs, and cancel what is active."""
    async with invocation.client() as client:
        for name in names:
            await client.delete_batch(batch_name(name), delete_outputs=outputs)
            invocation.say(f"{batch_name(name)} deleted")


@asynccontextmanager
async def _lines_of(given: InputConfig | Manifest) -> AsyncIterator[None]:
    """What the server says of a list is said of its lines."""
    try:
        yield
    except BatchscribeError as error:
        if isinstance(given, Manifest):
            error.args = (given.with_lines(str(error)),)
        raise


def input_config(
    source: str | None,
    include: list[str],
    exclude: list[str],
    manifest: str | None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> InputConfig | Manifest:
    """The input that the arguments mean: one file, a folder or prefix, or a list. Raises ValueError.

    A local list is read as it is asked for, and raises ValueError and OSError then.
    """
    if (source is None) == (manifest is None):
        raise ValueError("give either a URI or path, or --manifest")
    if headers and not (source and is_web_url(source)):
        raise ValueError("--header is for one https:// URL, not for a folder, a prefix or a manifest")
    if manifest is not None:
        if include or exclude:
            raise ValueError("--include and --exclude choose among the files of a folder, not of a manifest")
        if is_uri(manifest) or is_upload(manifest):
            return manifest_at(manifest)
        return Manifest(Path(manifest))
    assert source is not None
    if is_web_url(source) or (not is_uri(source) and Path(source).is_file()):
        if include or exclude:
            raise ValueError("--include and --exclude choose among the files of a folder, not of one file")
        return input_of(uri_of(source), headers)
    return InputConfig(prefix=PrefixInput(uri=uri_of(source), include_globs=include, exclude_globs=exclude))


async def _watch(
    invocation: Invocation,
    client: AsyncClient,
    name: str,
    *,
    after_sequence: int | None = None,
    timeout_s: float | None,
) -> ExitCode:
    with open_screen(quiet=invocation.json) as screen:
        view = JsonView() if invocation.json else BatchView(screen)
        batch = await Follower(client, screen, timeout_s=timeout_s).batch(name, view, after_sequence=after_sequence)
        if not invocation.json:
            screen.line(f"{batch.name} {state_of(batch)}: {files_note(batch.counts)}")
            if batch.warning:
                screen.line(batch.warning)
    return exit_code_of_ended(batch)
