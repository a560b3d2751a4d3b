"""`batchscribe admin`: what operators see of all servers, and do with them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from batchscribe import AsyncClient
from batchscribe.cli.command import Invocation, command
from batchscribe.cli.wording import aligned, clock
from batchscribe.errors import UnimplementedError
from batchscribe.states import enum_word
from batchscribe.times import unix_seconds_of
from batchscribe.v1.admin_pb2 import Queue, QueueLine, Replica, ReplicaState

app = typer.Typer(help="The servers that share a store, and their queue; for operators.", no_args_is_help=True)

REPLICA_COLUMNS = ("NAME", "STATE", "RUNNING", "SEEN", "UP", "ADDRESS", "DEVICE", "VERSION", "MODELS", "PROBLEM")
LINE_COLUMNS = ("TENANT", "BATCH", "QUEUED", "RUNNING", "WAITS FOR")

Name = Annotated[str, typer.Argument(metavar="REPLICA", help="replicas/ID, or the ID alone.")]
_NOT_OFFERED = (
    "this server offers no administration at this address: start it with --admin-listen HOST:PORT, and give that "
    "address as --address or $BATCHSCRIBE_ADDRESS"
)


@asynccontextmanager
async def _administration(invocation: Invocation) -> AsyncIterator[AsyncClient]:
    """A client of a server that offers what is asked of it."""
    async with invocation.client() as client:
        try:
            yield client
        except UnimplementedError as error:
            raise ValueError(_NOT_OFFERED) from error


@command(app, "replicas")
async def replicas(invocation: Invocation) -> None:
    """List the servers that share the store: what they do, and when they were last heard of."""
    async with _administration(invocation) as client:
        found = await client.list_replicas()
    invocation.print_table(REPLICA_COLUMNS, found, lambda replica: _replica_row(replica, time.time()))


@command(app, "queue")
async def queue(
    invocation: Invocation,
    lines: Annotated[int, typer.Option(min=1, max=1_000, help="How many of the longest lines to show.")] = 20,
) -> None:
    """Show how much waits and runs, for how long, and whose it is."""
    async with _administration(invocation) as client:
        found = await client.get_queue(lines)
    invocation.print(found, _queue_text(found, time.time()))


@command(app, "drain")
async def drain(
    invocation: Invocation,
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Let it begin jobs again.")] = False,
) -> None:
    """Have a server begin no more jobs: running ones may end, or are given back to the queue, and it watches on."""
    name = name if name.startswith("replicas/") else f"replicas/{name}"
    async with _administration(invocation) as client:
        replica = await (client.resume_replica(name) if undo else client.drain_replica(name))
    invocation.print(replica, f"{replica.name} is to {'go on' if undo else 'drain'}")


def _replica_row(replica: Replica, now_s: float) -> tuple[str, ...]:
    state = enum_word(ReplicaState.DESCRIPTOR, replica.state).lower().replace("_", " ")
    asked = replica.drain_requested and state not in ("draining", "silent")
    return (
        replica.name,
        f"{state}, asked to drain" if asked else state,
        f"{replica.running_jobs}/{replica.max_running_jobs}",
        f"{clock(now_s - unix_seconds_of(replica.seen_time))} ago",
        clock(now_s - unix_seconds_of(replica.start_time)),
        f"{replica.address} on {replica.host}",
        replica.device or "-",
        replica.version,
        ",".join(replica.models) or "-",
        replica.problem or "-",
    )


def _queue_text(queue: Queue, now_s: float) -> str:
    text = f"{queue.queued_jobs} queued, {queue.running_jobs} running"
    if not queue.lines:
        return text
    waited = clock(now_s - unix_seconds_of(queue.oldest_queue_time))
    rows = [LINE_COLUMNS, *(_line_row(line, now_s) for line in queue.lines)]
    return "\n".join([f"{text}; the oldest waits for {waited}", "", *aligned(rows)])


def _line_row(line: QueueLine, now_s: float) -> tuple[str, ...]:
    return (
        line.tenant,
        line.batch or "(single files)",
        str(line.queued_jobs),
        str(line.running_jobs),
        clock(now_s - unix_seconds_of(line.oldest_queue_time)),
    )
