"""What a server shows of itself while it runs: its health, its gauges, its heartbeat among the replicas."""

from __future__ import annotations

import asyncio
import importlib.metadata
import socket
from dataclasses import dataclass
from functools import cache

import structlog

from batchscribe_server.domain.errors import DatabaseUnavailableError
from batchscribe_server.domain.replica import ReplicaReport, ReplicaState
from batchscribe_server.metrics.probes import Probes
from batchscribe_server.metrics.status import StatusMetrics
from batchscribe_server.operations.dispatch import Dispatch
from batchscribe_server.operations.fleet_models import FleetModels
from batchscribe_server.operations.presence import Presence
from batchscribe_server.operations.transcriber import Transcriber
from batchscribe_server.operations.watch import Watch
from batchscribe_server.rpc.server import RpcServer
from batchscribe_server.store import SqlStore

log = structlog.get_logger()

STATUS_INTERVAL_S = 0.25
QUEUE_INTERVAL_S = 10.0


@dataclass(frozen=True, slots=True)
class Reporter:
    """What this server tells the others of itself."""

    replica_id: str
    rpc: RpcServer
    transcriber: Transcriber
    dispatch: Dispatch
    models: FleetModels
    max_running_jobs: int

    def __call__(self, draining: bool) -> ReplicaReport:
        """The report of this moment; `draining` is what operators asked for."""
        status = self.transcriber.status()
        if draining or self.rpc.draining:
            state = ReplicaState.DRAINING
        else:
            state = ReplicaState.SERVING if self.rpc.serving else ReplicaState.NOT_SERVING
        return ReplicaReport(
            id=self.replica_id,
            host=socket.gethostname(),
            address=self.rpc.address,
            version=_version(),
            state=state,
            running_jobs=self.dispatch.running,
            max_running_jobs=self.max_running_jobs,
            device=status.device,
            models=status.loaded_models,
            offered_models=self.models.offered(),
            problem=self.models.problem,
        )


@cache
def _version() -> str:
    """Read from the disk."""
    return importlib.metadata.version("batchscribe")


@dataclass(frozen=True, slots=True)
class Showing:
    """Keeps the health service, the probes and the gauges true to what is."""

    transcriber: Transcriber
    dispatch: Dispatch
    watch: Watch
    presence: Presence
    store: SqlStore
    models: FleetModels
    rpc: RpcServer
    metrics: StatusMetrics

    async def status(self, probes: Probes) -> None:
        """Follow the engine and its default model, the database, and an operator's wish to drain, until cancelled."""
        serves, was_ready = self.rpc.serving, False
        while True:
            probes.beat()
            status = self.transcriber.status()
            if status.ready is not was_ready:
                was_ready = status.ready
                event = "engine_ready" if was_ready else "engine_not_ready"
                log.info(event, device=status.device, reason=status.reason)
            able = status.ready and self.store.serving and self.models.default_loads
            serving = able and not self.presence.draining
            if serving is not serves:
                serves = serving
                await self.rpc.set_serving(serves)
                self.presence.tell_now()
            self.metrics.show(
                status, running_jobs=self.dispatch.running, watchers=self.watch.watchers, serving=self.rpc.serving
            )
            await asyncio.sleep(STATUS_INTERVAL_S)

    async def queue(self) -> None:
        """Look at the queue now and then, whoever scrapes, until cancelled."""
        while True:
            try:
                self.metrics.show_queue(await self.store.look_at_queue(0))
            except DatabaseUnavailableError:
                log.warning("queue_not_seen")
                self.metrics.forget_queue()
            except Exception:  # the boundary: the next look may do better
                log.exception("queue_not_seen")
                self.metrics.forget_queue()
            await asyncio.sleep(QUEUE_INTERVAL_S)
