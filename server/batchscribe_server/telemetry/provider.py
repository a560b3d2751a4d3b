"""OpenTelemetry's SDK as this service uses it: spans go out in batches, by OTLP over gRPC."""

from __future__ import annotations

import asyncio
import importlib.metadata
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.telemetry.spans import OpenTelemetryTracing

NAME = "batchscribe"
CLOSING_S = 5.0
"""How long a stop waits for a collector that is away to take the last spans."""


@asynccontextmanager
async def opened_tracing(endpoint: str, replica_id: str) -> AsyncIterator[Tracing]:
    """Tracing to the collector at a URL; where that is empty, as the OTEL_… variables say.

    They also say what is sampled, what else a span's resource tells, and how much is buffered. Spans are dropped, and
    nothing waits, while the collector is away.
    """
    resource = Resource.create({"service.instance.id": replica_id})
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: NAME}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint or None)))
    try:
        yield OpenTelemetryTracing(provider.get_tracer(NAME, importlib.metadata.version(NAME)))
    finally:
        # In a thread that nobody has to wait for: the SDK gives itself half a minute.
        closing = threading.Thread(target=provider.shutdown, name="traces-close", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSING_S)
