"""Tracing, where the settings or OpenTelemetry's own variables ask for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from batchscribe_server.app.errors import StartupError
from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.settings import TelemetrySettings


@asynccontextmanager
async def tracing_of(settings: TelemetrySettings, replica_id: str) -> AsyncIterator[Tracing]:
    """Tracing as it is set up; nothing is loaded where it is not. Raises StartupError."""
    if not settings.wants_traces(os.environ):
        yield Tracing()
        return
    if refusal := settings.refusal(os.environ):
        raise StartupError(refusal)
    try:
        from batchscribe_server.telemetry.provider import opened_tracing
    except ModuleNotFoundError as error:
        raise StartupError(
            f"traces are asked for, but {error.name} is not installed: install batchscribe[telemetry], or set "
            "OTEL_SDK_DISABLED=true"
        ) from error
    async with opened_tracing(settings.endpoint, replica_id) as tracing:
        yield tracing
