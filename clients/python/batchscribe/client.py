"""The client for programs without an event loop: AsyncClient on a thread of its own, method by method."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypedDict, TypeVar, Unpack

from batchscribe.async_client import AsyncClient

if TYPE_CHECKING:
    import grpc

    from batchscribe.connection import ChannelOptions

P = ParamSpec("P")
ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")


class ClientOptions(TypedDict, total=False):
    """What AsyncClient can be told besides the address."""

    timeout_s: float
    retry_s: float
    reconnect_s: float
    credentials: grpc.ChannelCredentials | None
    channel_options: ChannelOptions


def _blocking(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, ResultT]],
) -> Callable[Concatenate[Client, P], ResultT]:
    """A method of AsyncClient as a method that returns when it is done."""

    @functools.wraps(method)
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        return self._run(method(self._client, *args, **kwargs))

    return call


def _iterating(
    method: Callable[Concatenate[AsyncClient, P], AsyncGenerator[ItemT]],
) -> Callable[Concatenate[Client, P], Generator[ItemT]]:
    """A method of AsyncClient that gives one thing after another as a method that does so in a plain loop."""

    @functools.wraps(method)
    def iterate(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Generator[ItemT]:
        items = method(self._client, *args, **kwargs)
        try:
            while True:
                try:
                    yield self._run(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            self._leave(items)

    return iterate


async def _next(items: AsyncGenerator[ItemT]) -> ItemT:
    # StopAsyncIteration passes through a coroutine, but not StopIteration; anext alone is an awaitable, no coroutine.
    return await anext(items)


class Client:
    """A batchscribe server, for plain blocking code; AsyncClient's methods, arguments and errors.

        with Client() as client:
            print(client.transcribe("meeting.m4a").text)

    May be used from several threads. A loop over `watch` may be left at any time.
    """

    def __init__(self, address: str | None = None, **options: Unpack[ClientOptions]) -> None:
        self._client = AsyncClient(address, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="batchscribe-client", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the server is looked for."""
        return self._client.address

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end the thread. Closing again does nothing."""
        if self._loop.is_closed():
            return
        self._run(self._loop.shutdown_asyncgens())
        self._run(self._client.close())
        self._run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _leave(self, items: AsyncGenerator[Any]) -> None:
        """End what was left in the middle. The collector may do so at any time and on any thread, even the loop's."""
        if self._loop.is_closed():
            return  # it was ended then
        if threading.current_thread() is self._thread:
            asyncio.run_coroutine_threadsafe(items.aclose(), self._loop)
        else:
            self._run(items.aclose())

    def _run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a coroutine on the client's loop; what interrupts the wait (Ctrl-C) cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    upload = _blocking(AsyncClient.upload)
    create_job = _blocking(AsyncClient.create_job)
    submit = _blocking(AsyncClient.submit)
    get_job = _blocking(AsyncClient.get_job)
    list_jobs = _iterating(AsyncClient.list_jobs)
    cancel_job = _blocking(AsyncClient.cancel_job)
    retry_job = _blocking(AsyncClient.retry_job)
    delete_job = _blocking(AsyncClient.delete_job)
    watch_job = _iterating(AsyncClient.watch_job)
    wait_for_job = _blocking(AsyncClient.wait_for_job)
    transcript = _blocking(AsyncClient.transcript)
    transcribe = _blocking(AsyncClient.transcribe)

    create_batch = _blocking(AsyncClient.create_batch)
    submit_batch = _blocking(AsyncClient.submit_batch)
    get_batch = _blocking(AsyncClient.get_batch)
    list_batches = _iterating(AsyncClient.list_batches)
    update_batch = _blocking(AsyncClient.update_batch)
    cancel_batch = _blocking(AsyncClient.cancel_batch)
    retry_batch = _blocking(AsyncClient.retry_batch)
    delete_batch = _blocking(AsyncClient.delete_batch)
    watch_batch = _iterating(AsyncClient.watch_batch)
    wait_for_batch = _blocking(AsyncClient.wait_for_batch)

    watch = _iterating(AsyncClient.watch)
    wait_for_completion = _blocking(AsyncClient.wait_for_completion)
    list_models = _iterating(AsyncClient.list_models)
    list_features = _blocking(AsyncClient.list_features)
    get_model = _blocking(AsyncClient.get_model)

    list_replicas = _blocking(AsyncClient.list_replicas)
    get_queue = _blocking(AsyncClient.get_queue)
    drain_replica = _blocking(AsyncClient.drain_replica)
    resume_replica = _blocking(AsyncClient.resume_replica)
