"""What every RPC of the contract has in common: a request id, a line in the log, and errors turned into statuses."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import structlog

from batchscribe_server.operations.observers import RpcObserver
from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.rpc.decoding import decoded, each_read, refusing, tolerant
from batchscribe_server.rpc.draining import Draining
from batchscribe_server.rpc.errors import answer

REQUEST_ID_KEY = "x-request-id"
STATUS_DETAILS_KEY = "grpc-status-details-bin"
REASON_KEY = "x-error-reason"
"""The reason of an error once more, beside its details: for proxies, which read headers alone."""

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_READING_METHODS = ("Get", "List", "Watch")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class RpcInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of the contract's services; health and reflection only refuse what can't be decoded.

    The request id goes into the log's context and into the metadata of the answer. Initial metadata is sent with the
    first message and not before, so that an error before it is one frame, which proxies know they may retry.
    """

    def __init__(self, draining: Draining, observer: RpcObserver | None = None, tracing: Tracing | None = None) -> None:
        self._draining = draining
        self._observer = observer or RpcObserver()
        self._tracing = tracing or Tracing()

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler with all that around it."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None:
            return None
        if not method.startswith("/batchscribe."):
            return refusing(handler)
        coding = {
            "request_deserializer": tolerant(handler.request_deserializer),
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._single(method, handler.unary_unary), **coding)
        if handler.stream_unary is not None:
            return grpc.stream_unary_rpc_method_handler(self._receiving(method, handler.stream_unary), **coding)
        # The contract has no streams both ways.
        return grpc.unary_stream_rpc_method_handler(self._streaming(method, handler.unary_stream), **coding)

    def _receiving(self, method: str, behaviour: Any) -> Any:
        single = self._single(method, behaviour)

        async def serve(_requests: Any, context: Context) -> Any:
            return await single(each_read(context), context)

        return serve

    def _single(self, method: str, behaviour: Any) -> Any:
        async def serve(request: Any, context: Context) -> Any:
            async with self._serving(method, context) as metadata:
                response = await behaviour(decoded(request), context)
                await context.send_initial_metadata(metadata)
                return response

        return serve

    def _streaming(self, method: str, behaviour: Any) -> Any:
        # Written rather than yielded: a cancelled call then closes the generator here and now.
        async def serve(request: Any, context: Context) -> None:
            async with (
                self._serving(method, context) as metadata,
                aclosing(behaviour(decoded(request), context)) as messages,
            ):
                first = True
                async for message in messages:
                    if first:
                        await context.send_initial_metadata(metadata)
                        first = False
                    await context.write(message)

        return serve

    @asynccontextmanager
    async def _serving(self, method: str, context: Context) -> AsyncIterator[tuple[tuple[str, str], ...]]:
        request_id = _request_id(context)
        metadata = ((REQUEST_ID_KEY, request_id),)
        started_s = time.perf_counter()
        code = grpc.StatusCode.OK
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            self._tracing.call(method, context.invocation_metadata() or ()) as ended,
        ):
            try:
                context.set_trailing_metadata(metadata)
                if not method.rpartition("/")[2].startswith(_READING_METHODS):
                    self._draining.refuse()
                yield metadata
            except asyncio.CancelledError:
                code = _why_cancelled(context)
                raise
            except Exception as error:  # noqa: BLE001 - the edge of the service: each error becomes a status
                reply = answer(error, request_id)
                code = reply.code
                if code is grpc.StatusCode.INTERNAL:
                    _log.exception("rpc_failed", method=method)
                details = (STATUS_DETAILS_KEY, reply.status().SerializeToString())
                await context.abort(code, reply.message, (*metadata, details, (REASON_KEY, reply.reason)))
            finally:
                elapsed_s = time.perf_counter() - started_s
                self._observer.rpc_finished(method.removeprefix("/"), code.name, elapsed_s)
                ended("" if code is grpc.StatusCode.OK else code.name)
                _log.info("rpc_finished", method=method, code=code.name, duration_ms=round(elapsed_s * 1_000, 1))


def _request_id(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_KEY and isinstance(value, str) and _SANE_REQUEST_ID.fullmatch(value):
            return value
    return str(uuid.uuid4())


def _why_cancelled(context: Context) -> grpc.StatusCode:
    remaining_s: float | None = context.time_remaining()
    if remaining_s is not None and remaining_s <= 0:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED
