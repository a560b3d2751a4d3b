"""The trace that the program is in, passed on with its calls, where the program uses OpenTelemetry."""

from __future__ import annotations

import sys

Metadata = tuple[tuple[str, str], ...]


def trace_metadata() -> Metadata | None:
    """Metadata that makes a call part of the current trace; None outside of one.

    A program that has not loaded OpenTelemetry is in no trace: nothing is loaded to find that out.
    """
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return tuple((key.lower(), value) for key, value in carrier.items()) or None
