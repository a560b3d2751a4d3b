"""Traces by OpenTelemetry: the adapter behind `operations.tracing`. It is loaded only where traces are wanted."""
