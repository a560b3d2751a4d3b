"""The state of the moment as gauges: what waits, what is free, what is loaded."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from batchscribe_server.operations.transcriber import TranscriberStatus


class StatusMetrics:
    """Gauges of one registry, as fresh as the last `show`: whoever scrapes them reads no state of the event loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, documentation: str, *labels: str) -> Gauge:
            return Gauge(f"batchscribe_{name}", documentation, labels, registry=registry)

        self._ready = gauge("engine_ready", "1 while the engine and a media worker can take work, else 0.")
        self._resident_bytes = gauge("engine_resident_bytes", "Memory of the inference process.")
        self._loaded = gauge("model_loaded", "1 while the model is in memory, 0 when it was unloaded.", "model")
        self._loading = gauge("model_loading", "1 while the model is being loaded, else 0.", "model")
        self._slots = gauge("slots", "Slots of the arena; each holds one speech segment.")
        self._free_slots = gauge("free_slots", "Slots of the arena that nobody holds.")
        self._waiting_segments = gauge("waiting_segments", "Speech segments that wait for the engine.")
        self._waiting_files = gauge("waiting_files", "Files that wait for a media worker.")
        self._running_jobs = gauge("running_jobs", "Jobs that run on this server.")
        self._models: set[str] = set()

    def show(self, status: TranscriberStatus, running_jobs: int) -> None:
        """Set all gauges."""
        self._ready.set(status.ready)
        self._resident_bytes.set(status.resident_bytes)
        self._slots.set(status.slots)
        self._free_slots.set(status.free_slots)
        self._waiting_segments.set(status.waiting_segments)
        self._waiting_files.set(status.waiting_files)
        self._running_jobs.set(running_jobs)
        self._models.update(status.loaded_models)
        if status.loading_model:
            self._models.add(status.loading_model)
        for model in self._models:
            self._loaded.labels(model).set(model in status.loaded_models)
            self._loading.labels(model).set(model == status.loading_model)
