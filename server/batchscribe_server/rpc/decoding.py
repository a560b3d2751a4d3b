"""Requests whose bytes are no message: INVALID_ARGUMENT for each RPC, rather than UNKNOWN and a stack in the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from enum import Enum
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from batchscribe_server.domain.errors import InvalidArgumentError, Violations


class Undecodable(Enum):
    """Stands for a message that could not be decoded, until whoever answers the call looks at it."""

    MESSAGE = "MESSAGE"


def tolerant(deserializer: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """The deserializer of a handler, which gives `Undecodable` rather than raise."""
    if deserializer is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return deserializer(data)
        except (DecodeError, ValueError):
            return Undecodable.MESSAGE

    return read


def decoded(request: Any) -> Any:
    """The request, or where that is a stream, one that gives decoded requests. Raises InvalidArgumentError."""
    if isinstance(request, AsyncIterator):
        return _each_decoded(request)
    if request is Undecodable.MESSAGE:
        violations = Violations()
        violations.add("(request)", "is no message of this RPC: its bytes can't be decoded")
        violations.raise_if_any()
    return request


async def _each_decoded(requests: AsyncIterator[Any]) -> AsyncGenerator[Any]:
    async for request in requests:
        yield decoded(request)
        del request  # not kept while the next one is waited for


async def each_read(context: grpc.aio.ServicerContext[Any, Any]) -> AsyncGenerator[Any]:
    """The requests of a stream. gRPC's own iterator keeps the last one: a chunk of each upload that is idle."""
    while (request := await context.read()) is not grpc.aio.EOF:
        yield request
        del request


def refusing(handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler of another service than the contract's, which answers INVALID_ARGUMENT to what can't be decoded."""
    coding = {
        "request_deserializer": tolerant(handler.request_deserializer),
        "response_serializer": handler.response_serializer,
    }
    if handler.unary_unary is not None:
        return grpc.unary_unary_rpc_method_handler(_refusing_call(handler.unary_unary), **coding)
    if handler.stream_stream is not None:
        return grpc.stream_stream_rpc_method_handler(_refusing_streams(handler.stream_stream), **coding)
    return grpc.unary_stream_rpc_method_handler(_refusing_call(handler.unary_stream), **coding)


def _refusing_call(behaviour: Any) -> Any:
    async def serve(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            request = decoded(request)
        except InvalidArgumentError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        return await behaviour(request, context)

    return serve


def _refusing_streams(behaviour: Any) -> Any:
    async def serve(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncGenerator[Any]:
        try:
            async for response in behaviour(decoded(requests), context):
                yield response
        except InvalidArgumentError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)

    return serve
