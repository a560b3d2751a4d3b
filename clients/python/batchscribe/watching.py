"""A watch that outlives its connection: opened again where it broke, so that no event is missing or seen twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import grpc

from batchscribe.errors import BatchscribeError, UnavailableError
from batchscribe.failed_call import error_from_rpc
from batchscribe.states import is_terminal
from batchscribe.v1.event_pb2 import BatchEvent, JobEvent

EventT = TypeVar("EventT", JobEvent, BatchEvent)

OnReconnect = Callable[[BatchscribeError], None]
"""Called with what broke a watch, before it is opened again."""

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0


class _Position:
    """How far a watch has come: the sequence to resume after, and the last state that was heard of."""

    def __init__(self, after_sequence: int | None) -> None:
        self.after_sequence = after_sequence
        self.state = 0
        self.snapshot_seen = False

    def take(self, event: JobEvent | BatchEvent) -> bool:
        """Move on to an event. Whether the watcher has not seen it yet."""
        kind = event.WhichOneof("event")
        if kind == "snapshot":
            # It tells where the stream begins: the place to resume from does not move.
            first, self.snapshot_seen = not self.snapshot_seen, True
            self.state = event.snapshot.state
            return first
        seen = kind != "heartbeat" and self.after_sequence is not None and event.sequence <= self.after_sequence
        if seen:
            return False
        if kind == "state_change":
            self.state = event.state_change.state
        self.after_sequence = max(event.sequence, self.after_sequence or 0)
        return True


async def watch(
    open_stream: Callable[[int | None], grpc.aio.UnaryStreamCall[Any, EventT]],
    *,
    after_sequence: int | None,
    connect_s: float,
    reconnect_s: float,
    on_reconnect: OnReconnect | None,
) -> AsyncGenerator[EventT]:
    """The events of the stream that `open_stream` opens after a sequence, until what is watched has ended.

    The snapshot comes once, at the beginning, and every event once. Raises UnavailableError when the server was not
    reached for `connect_s` at the beginning, or nothing was heard of it for `reconnect_s` later; HistoryPurgedError
    when the events to resume from are no longer kept; other BatchscribeErrors as the server gives them.
    """
    clock = asyncio.get_running_loop().time
    position = _Position(after_sequence)
    last_heard_s, patience_s = clock(), connect_s
    pause_s = _FIRST_PAUSE_S
    while True:
        stream = open_stream(position.after_sequence)
        try:
            async for event in stream:
                last_heard_s, patience_s = clock(), reconnect_s
                if not event.HasField("snapshot"):
                    pause_s = _FIRST_PAUSE_S  # a server that breaks off after each snapshot is not hammered
                if position.take(event):
                    yield event
            if is_terminal(position.state):
                return
            broken: BatchscribeError = UnavailableError("the server ended the stream", reason="STREAM_ENDED")
        except grpc.aio.AioRpcError as error:
            broken = error_from_rpc(error)
            if not isinstance(broken, UnavailableError):
                raise broken from error
        finally:
            stream.cancel()  # who stops listening leaves no call behind
        pause_s = broken.retry_delay_s or pause_s
        if clock() + pause_s - last_heard_s > patience_s:
            if is_terminal(position.state):
                return  # the end was heard; only the end of the stream was not
            raise broken
        if position.snapshot_seen and on_reconnect is not None:
            on_reconnect(broken)
        # Watchers of a server that was restarted do not come back all in the same moment.
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
