"""Supervision: a task that must not end runs again when it fails, and takes nothing else down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import Failure

log = structlog.get_logger()

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0

CRASHED = Failure(Reason.INTERNAL, "The service failed on this file for a reason of its own; see its log.")
"""The end of a job on which the service itself failed: the log has the stack."""


async def keep_running(task: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` until it returns or is cancelled. When it fails, log the stack and run it again after a pause, which
    doubles up to `LONGEST_PAUSE_S`, and is short again once `work` has run for that long.
    """
    loop = asyncio.get_running_loop()
    pause_s = FIRST_PAUSE_S
    while True:
        began_s = loop.time()
        try:
            return await work()
        except Exception:  # the boundary: a fault in one task ends neither the others nor the server
            log.exception("task_failed", task=task)
        if loop.time() - began_s >= LONGEST_PAUSE_S:
            pause_s = FIRST_PAUSE_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
