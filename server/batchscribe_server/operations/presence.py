"""Presence: a server tells the others that it lives, and does as it is asked to through any of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from batchscribe_server.domain.errors import DatabaseUnavailableError
from batchscribe_server.domain.replica import Orders, ReplicaReport
from batchscribe_server.operations.dispatch import Dispatch
from batchscribe_server.operations.fleet import FleetStore
from batchscribe_server.operations.fleet_models import FleetModels
from batchscribe_server.operations.supervision import keep_running
from batchscribe_server.operations.wakeups import REPLICAS, Wakeups

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PresenceLimits:
    """A heartbeat comes every `beat_s`; running jobs have `drain_timeout_s` to end once the server is to drain."""

    beat_s: float = 5.0
    drain_timeout_s: float = 20.0


class Presence:
    """This server's row among the replicas. A wish to drain lasts until it is taken back, or the server ends.

    `draining` is what it does, and what `report` is asked with; health follows it too.
    """

    def __init__(
        self,
        store: FleetStore,
        wakeups: Wakeups,
        dispatch: Dispatch,
        models: FleetModels,
        report: Callable[[bool], ReplicaReport],
        limits: PresenceLimits,
    ) -> None:
        self._store = store
        self._wakeups = wakeups
        self._dispatch = dispatch
        self._models = models
        self._report = report
        self._limits = limits
        self.draining = False

    async def run(self) -> None:
        """Show this server's presence until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            pause: asyncio.Task[None] | None = None
            with self._wakeups.listening(REPLICAS) as woken:
                while True:
                    woken.clear()
                    orders = await self._beat()
                    if orders is not None:
                        self._dispatch.share_with(orders.capacity_elsewhere)
                        self._models.learn(orders.models_elsewhere)
                    asked = self.draining if orders is None else orders.drain
                    if asked is not self.draining:
                        self.draining = asked
                        log.info("drain_requested" if asked else "drain_taken_back")
                        if pause is not None:
                            pause.cancel()
                        if asked:
                            pause_running = partial(self._dispatch.pause, self._limits.drain_timeout_s)
                            pause = tasks.create_task(keep_running("pause", pause_running))
                        else:
                            self._dispatch.resume()
                        woken.set()  # so that it is told now, and not with the next heartbeat
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._limits.beat_s):
                            await woken.wait()

    def tell_now(self) -> None:
        """Something of this server has changed that the others should see before its next heartbeat."""
        self._wakeups.notify([REPLICAS])

    async def leave(self) -> None:
        """Say that this server ends. The others would notice, but later."""
        try:
            await self._store.remove_replica(self._report(self.draining).id)
        except DatabaseUnavailableError:
            log.warning("leave_failed")
        except Exception:  # the boundary: a stop goes on whatever the store does
            log.exception("leave_failed")

    async def _beat(self) -> Orders | None:
        try:
            return await self._store.beat(self._report(self.draining))
        except DatabaseUnavailableError:
            log.warning("heartbeat_failed")
            return None
        except Exception:  # the boundary: the next heartbeat may do better
            log.exception("heartbeat_failed")
            return None
