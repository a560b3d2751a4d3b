"""The way of a request through the service as spans of OpenTelemetry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import structlog
from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    format_trace_id,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from batchscribe_server.domain.errors import JobFailure
from batchscribe_server.operations.observers import DecodedBatch
from batchscribe_server.operations.run_store import Claim
from batchscribe_server.operations.tracing import Ended, Tracing

MAX_SEGMENT_SPANS = 1_000
"""Segments of one run that get a span: a recording of ten hours has several times as many."""

FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""The statuses that are the server's fault, by OpenTelemetry's conventions; others are answers."""

Attributes = Mapping[str, str | int | float]

_TRACEPARENT = "traceparent"
_NS = 1_000_000_000


@dataclass(slots=True)
class _Hearing:
    """A file that is being heard, by the context that its children's work belongs to."""

    context: Context
    spans_left: int = MAX_SEGMENT_SPANS


class OpenTelemetryTracing(Tracing):
    """Spans of one tracer. The lines that are logged within a call or a run carry the id of its trace."""

    def __init__(self, tracer: Tracer, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._tracer = tracer
        self._clock_ns = clock_ns
        self._propagator = TraceContextTextMapPropagator()
        self._heard: dict[str, _Hearing] = {}

    def traceparent(self) -> str:
        """See the port."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(_TRACEPARENT, "")

    @contextmanager
    def call(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> Iterator[Ended]:
        """See the port."""
        carrier = {key: value for key, value in metadata if isinstance(value, str)}
        method = method.removeprefix("/")
        attributes = {"rpc.system.name": "grpc", "rpc.method": method}
        parent = self._propagator.extract(carrier, Context())
        # What leaves it is gRPC's own way of ending a call: whether it failed is for `ended` to say.
        with self._started(method, attributes, parent, kind=SpanKind.SERVER) as span:

            def ended(code: str) -> None:
                span.set_attribute("rpc.response.status_code", code or "OK")
                if code in FAULTS:
                    _fail(span, code)

            with _logged(span):
                yield ended

    @contextmanager
    def run(self, claim: Claim) -> Iterator[Ended]:
        """See the port."""
        job = claim.job
        attributes: dict[str, str | int | float] = {
            "batchscribe.job": job.name,
            "batchscribe.tenant": job.tenant,
            "batchscribe.attempt": job.attempt,
            "batchscribe.queue_wait_s": claim.waited_s,
        }
        origin = self._propagator.extract({_TRACEPARENT: job.traceparent}, Context())
        links: list[Link] = []
        if job.batch_id:
            attributes["batchscribe.batch"] = f"batches/{job.batch_id}"
            created_by = get_current_span(origin).get_span_context()
            links = [Link(created_by)] if created_by.is_valid else []
            origin = Context()
        elif job.traceparent:
            self._record("queue", origin, claim.waited_s, {"batchscribe.job": job.name})
        with self._span("run", attributes, origin, links=links) as span, _logged(span):
            yield lambda reason: _fail(span, reason) if reason else None

    @contextmanager
    def hearing(self, job_id: str, model: str) -> Iterator[None]:
        """See the port."""
        with self._step("hear", {"batchscribe.model": model}) as span:
            if not span.is_recording():
                yield
                return
            hearing = self._heard[job_id] = _Hearing(contexts.get_current())
            try:
                yield
            finally:
                # A run that lost its lease may end when the job's next one is under way.
                if self._heard.get(job_id) is hearing:
                    del self._heard[job_id]

    @contextmanager
    def step(self, name: str, **attributes: str) -> Iterator[None]:
        """See the port."""
        with self._step(name, {f"batchscribe.{key}": value for key, value in attributes.items()}):
            yield

    def media_read(self, job_id: str, elapsed_s: float) -> None:
        """See the port."""
        if hearing := self._heard.get(job_id):
            self._record("media", hearing.context, elapsed_s, {})

    def batch_decoded(self, batch: DecodedBatch) -> None:
        """See the port."""
        for segment in batch.segments:
            hearing = self._heard.get(segment.job_id)
            if hearing is None or not hearing.spans_left:
                continue
            hearing.spans_left -= 1
            attributes: Attributes = {
                "batchscribe.segment": segment.index,
                "batchscribe.segment_start_s": segment.start_s,
                "batchscribe.segment_length_s": segment.length_s,
                "batchscribe.batch_segments": len(batch.segments),
                "batchscribe.model": batch.model,
                "batchscribe.decoding": segment.decoding,
            }
            self._record("inference", hearing.context, batch.elapsed_s, attributes)

    @contextmanager
    def _step(self, name: str, attributes: dict[str, str]) -> Iterator[Span]:
        current = get_current_span()
        if not current.get_span_context().is_valid:
            yield current  # outside of a call and a run there is nothing to be a step of
            return
        with self._span(name, attributes, None) as span:
            yield span

    @contextmanager
    def _span(
        self,
        name: str,
        attributes: Attributes,
        parent: Context | None,
        *,
        links: Iterable[Link] = (),
    ) -> Iterator[Span]:
        """A span that fails with what leaves it."""
        with self._started(name, attributes, parent, links=links) as span:
            try:
                yield span
            except JobFailure as failure:
                _fail(span, failure.reason)
                raise
            except Exception as error:
                _fail(span, type(error).__name__)
                raise

    def _started(
        self,
        name: str,
        attributes: Attributes,
        parent: Context | None,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Iterable[Link] = (),
    ) -> AbstractContextManager[Span]:
        # An exception's words may hold URIs, and what a client sent: only what it is goes into a span.
        started: AbstractContextManager[Span] = self._tracer.start_as_current_span(
            name,
            parent,
            kind,
            attributes,
            tuple(links),
            record_exception=False,
            set_status_on_exception=False,
        )
        return started

    def _record(self, name: str, parent: Context, elapsed_s: float, attributes: Attributes) -> None:
        """A span that ends now."""
        end_ns = self._clock_ns()
        start_ns = end_ns - round(max(0.0, elapsed_s) * _NS)
        self._tracer.start_span(name, parent, attributes=attributes, start_time=start_ns).end(end_ns)


def _fail(span: Span, reason: str) -> None:
    span.set_attribute("error.type", reason)
    span.set_status(Status(StatusCode.ERROR))


@contextmanager
def _logged(span: Span) -> Iterator[None]:
    with structlog.contextvars.bound_contextvars(trace_id=format_trace_id(span.get_span_context().trace_id)):
        yield
