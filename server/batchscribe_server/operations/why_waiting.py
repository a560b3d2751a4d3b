"""Why nothing runs of what waits, where that is more than waiting for its turn."""

from __future__ import annotations

from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.job import Job, State
from batchscribe_server.domain.replica import ReplicaState
from batchscribe_server.operations.fleet import FleetStore
from batchscribe_server.operations.transcriber import Transcriber


class WhyWaiting:
    """Goes by what all servers that share the store tell of themselves."""

    def __init__(self, store: FleetStore, transcriber: Transcriber) -> None:
        self._store = store
        self._transcriber = transcriber

    async def __call__(self, resource: Job | Batch) -> str:
        """In plain words; empty for what runs, has ended, or waits for its turn."""
        match resource:
            case Job():
                waits, model = resource.state is State.QUEUED, resource.model or resource.config.model
            case Batch():
                waits, model = resource.counts.queued > 0 and not resource.counts.running, resource.config.model
        return await self._why(model) if waits else ""

    async def _why(self, model: str) -> str:
        reports = [replica.report for replica in await self._store.list_replicas()]
        serving = [report for report in reports if report.state is ReplicaState.SERVING]
        if not serving:
            status = self._transcriber.status()
            if not status.ready:
                return f"No server is ready to transcribe. This one: {status.reason}"
            if problems := [f"{report.address}: {report.problem}" for report in reports if report.problem]:
                return f"No server is ready to transcribe. {'; '.join(problems)}"
            return "No server takes files now: all are draining or silent." if reports else ""
        if model and not any(offered.name == model for report in serving for offered in report.offered_models):
            return f"No server that is ready has the model {model}."
        return ""
