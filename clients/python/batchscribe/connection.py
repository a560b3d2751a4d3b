"""The channel to the server and the calls over it: deadlines, keepalive, and repeats where a repeat does no harm."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import grpc

from batchscribe.errors import BatchscribeError, ServerDrainingError, UnavailableError
from batchscribe.failed_call import error_from_rpc
from batchscribe.trace_context import trace_metadata
from batchscribe.v1.admin_pb2_grpc import AdminServiceStub
from batchscribe.v1.batch_service_pb2_grpc import BatchServiceStub
from batchscribe.v1.job_service_pb2_grpc import JobServiceStub
from batchscribe.v1.model_service_pb2_grpc import ModelServiceStub

if TYPE_CHECKING:
    from batchscribe.v1.admin_pb2_grpc import AdminServiceAsyncStub
    from batchscribe.v1.batch_service_pb2_grpc import BatchServiceAsyncStub
    from batchscribe.v1.job_service_pb2_grpc import JobServiceAsyncStub
    from batchscribe.v1.model_service_pb2_grpc import ModelServiceAsyncStub

DEFAULT_ADDRESS = "127.0.0.1:50051"
ADDRESS_VARIABLE = "BATCHSCRIBE_ADDRESS"

ChannelOptions = Sequence[tuple[str, str | int]]

_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_CHANNEL_OPTIONS: dict[str, str | int] = {
    # A server that hangs or a path that went dead is noticed after 40 s, also while nothing happens on a watch.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.http2.max_pings_without_data": 0,
    # A server that was restarted is found again within seconds, not after gRPC's two minutes.
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.min_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 3_000,
    # A page of a thousand jobs, or a transcript in one piece.
    "grpc.max_receive_message_length": _MAX_MESSAGE_BYTES,
}

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
ResultT = TypeVar("ResultT")


def resolve_address(address: str | None) -> str:
    """The address given, or the environment's, or the default of a server on this machine."""
    return address or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS


class Connection:
    """A channel for calls and one for uploads, opened when they are first used, in the event loop that uses them.

    `timeout_s` is the deadline of one call. A call that may be repeated is repeated with growing pauses for `retry_s`;
    a stream that broke is opened again until nothing was heard for `reconnect_s`.
    """

    def __init__(
        self,
        address: str | None,
        *,
        timeout_s: float,
        retry_s: float,
        reconnect_s: float,
        credentials: grpc.ChannelCredentials | None,
        channel_options: ChannelOptions,
    ) -> None:
        self.address = resolve_address(address)
        self.timeout_s = timeout_s
        self.retry_s = retry_s
        self.reconnect_s = reconnect_s
        self._credentials = credentials
        self._options = _CHANNEL_OPTIONS | dict(channel_options)
        if self.address.startswith(_LOOPBACK_HOSTS):
            # The machine's web proxy has no business between it and itself.
            self._options.setdefault("grpc.enable_http_proxy", 0)

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        options = list(self._options.items())
        if self._credentials is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        return grpc.aio.secure_channel(self.address, self._credentials, options=options)

    @cached_property
    def _upload_channel(self) -> grpc.Channel:
        options = list(self._options.items())
        if self._credentials is None:
            return grpc.insecure_channel(self.address, options=options)
        return grpc.secure_channel(self.address, self._credentials, options=options)

    @cached_property
    def uploads(self) -> JobServiceStub:
        """The calls of JobService that block, for uploads."""
        return JobServiceStub(self._upload_channel)

    @cached_property
    def jobs(self) -> JobServiceAsyncStub:
        """The calls of JobService."""
        return JobServiceStub(self._channel)

    @cached_property
    def batches(self) -> BatchServiceAsyncStub:
        """The calls of BatchService."""
        return BatchServiceStub(self._channel)

    @cached_property
    def models(self) -> ModelServiceAsyncStub:
        """The calls of ModelService."""
        return ModelServiceStub(self._channel)

    @cached_property
    def admin(self) -> AdminServiceAsyncStub:
        """The calls of AdminService."""
        return AdminServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channels that were opened; calls that run are cancelled."""
        if "_channel" in self.__dict__:
            await self._channel.close()
        if "_upload_channel" in self.__dict__:
            self._upload_channel.close()

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT],
        request: RequestT,
        *,
        repeatable: bool = True,
        wait_s: float = 0.0,
    ) -> ResponseT:
        """Make a call that answers within `timeout_s`, beyond the `wait_s` that the server was asked to wait.

        Raises BatchscribeError. A call that is not `repeatable` is repeated only where the server refused to begin it.
        """

        async def once() -> ResponseT:
            try:
                return await method(request, timeout=self.timeout_s + wait_s, metadata=trace_metadata())
            except grpc.aio.AioRpcError as error:
                raise error_from_rpc(error) from error

        return await self.repeat(once, repeatable=repeatable)

    async def repeat(
        self, once: Callable[[], Awaitable[ResultT]], *, repeatable: bool = True, attempts: int | None = None
    ) -> ResultT:
        """Do `once` until it succeeds or fails for good; its last error is raised.

        Given up after `retry_s`, or after so many `attempts` where each may take long by itself.
        """
        clock = asyncio.get_running_loop().time
        began_s, pause_s = clock(), _FIRST_PAUSE_S
        for attempt in itertools.count(1):
            try:
                return await once()
            except BatchscribeError as error:
                if not _may_repeat(error, repeatable=repeatable):
                    raise
                # Clients of a server that was restarted do not come back all in the same moment.
                wait_s = error.retry_delay_s or pause_s + random.uniform(0, _FIRST_PAUSE_S)  # noqa: S311
                given_up = clock() + wait_s - began_s > self.retry_s if attempts is None else attempt >= attempts
                if given_up:
                    raise
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise AssertionError("it is counted without end")


def _may_repeat(error: BatchscribeError, *, repeatable: bool) -> bool:
    """Whether to make a call again; one that does harm when done twice only if the server says it did not begin."""
    if not repeatable:
        return isinstance(error, ServerDrainingError)
    return isinstance(error, UnavailableError) or error.retry_delay_s is not None
