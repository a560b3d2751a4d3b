"""Tracing as it is set up, or asked for in vain."""

from __future__ import annotations

import sys

import pytest

from batchscribe.trace_context import trace_metadata
from batchscribe_server.app.errors import StartupError
from batchscribe_server.app.traces import tracing_of
from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.settings import TelemetrySettings

COLLECTOR = TelemetrySettings(endpoint="http://127.0.0.1:9")


async def test_where_nothing_names_a_collector_nothing_is_traced() -> None:
    async with tracing_of(TelemetrySettings(), "replica") as tracing:
        assert type(tracing) is Tracing
        with tracing.call("/s/M", ()) as ended, tracing.step("fetch"):
            ended("")
            assert tracing.traceparent() == ""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
    ],
)
async def test_what_traces_cannot_go_out_as_is_said(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(StartupError, match=rf"^.*{variable} is '{value}': traces go out"):
        async with tracing_of(COLLECTOR, "replica"):
            pytest.fail("it is traced")


async def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "batchscribe_server.telemetry.provider", None)
    with pytest.raises(StartupError, match=r"install batchscribe\[telemetry\]"):
        async with tracing_of(COLLECTOR, "replica"):
            pytest.fail("it is traced")


def test_a_client_in_a_program_without_traces_passes_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    assert trace_metadata() is None
