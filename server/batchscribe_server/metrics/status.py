"""The state of the moment as gauges: what waits, what is free, what is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge

from batchscribe_server.domain.queue import QueueOverview
from batchscribe_server.operations.transcriber import TranscriberStatus


class StatusMetrics:
    """Gauges of one registry, as fresh as the last `show`: whoever scrapes them reads no state of the event loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
            return Gauge(f"batchscribe_{name}", documentation, labels, registry=registry)

        self._ready = gauge("engine_ready", "1 while the engine and a media worker can take work, else 0.")
        self._serving = gauge("serving", "1 while the health service says SERVING, else 0.")
        self._resident_bytes = gauge("engine_resident_bytes", "Memory of the inference process.")
        self._loaded = gauge("model_loaded", "1 while the model is in memory, 0 when it was unloaded.", ["model"])
        self._loading = gauge("model_loading", "1 while the model is being loaded, else 0.", ["model"])
        self._model_bytes = gauge(
            "model_memory_bytes",
            "Memory that the model takes on the devices together, by the engine's estimate; 0 when it was unloaded.",
            ["model"],
        )
        self._slots = gauge("slots", "Slots of the arena; each holds one speech segment.")
        self._free_slots = gauge("free_slots", "Slots of the arena that nobody holds.")
        self._waiting_segments = gauge("waiting_segments", "Speech segments that wait for the engine.")
        self._waiting_files = gauge("waiting_files", "Files that wait for a media worker.")
        self._running_jobs = gauge("running_jobs", "Jobs that run on this server.")
        self._watchers = gauge("watchers", "Streams by which clients watch jobs and batches at this server.")
        self._queue_jobs = gauge(
            "queue_jobs",
            "Jobs in the store that are queued, and that run on any server; all servers of a store tell the same.",
            ["state"],
        )
        self._oldest = gauge(
            "queue_oldest_seconds", "How long the job has been queued that was queued first; 0 for an empty queue."
        )
        self._models: set[str] = set()

    def show(self, status: TranscriberStatus, *, running_jobs: int, watchers: int, serving: bool) -> None:
        """Set the gauges of this server."""
        self._ready.set(status.ready)
        self._serving.set(serving)
        self._resident_bytes.set(status.resident_bytes)
        self._slots.set(status.slots)
        self._free_slots.set(status.free_slots)
        self._waiting_segments.set(status.waiting_segments)
        self._waiting_files.set(status.waiting_files)
        self._running_jobs.set(running_jobs)
        self._watchers.set(watchers)
        self._models.update(status.loaded_models)
        if status.loading_model:
            self._models.add(status.loading_model)
        for model in self._models:
            self._loaded.labels(model).set(model in status.loaded_models)
            self._loading.labels(model).set(model == status.loading_model)
            self._model_bytes.labels(model).set(status.model_bytes.get(model, 0))

    def show_queue(self, queue: QueueOverview) -> None:
        """Set the gauges of the queue that all servers share."""
        self._queue_jobs.labels("queued").set(queue.queued)
        self._queue_jobs.labels("running").set(queue.running)
        oldest_s = (queue.time - queue.oldest_queue_time).total_seconds() if queue.oldest_queue_time else 0.0
        self._oldest.set(max(0.0, oldest_s))

    def forget_queue(self) -> None:
        """It could not be looked at: nothing is told of it, and a maximum over all servers goes by the others."""
        for gauge in (self._queue_jobs.labels("queued"), self._queue_jobs.labels("running"), self._oldest):
            gauge.set(math.nan)
