"""One child process: started with its end of a socket, greeted, watched, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from batchscribe_engine.channel import ChannelClosedError
from batchscribe_engine.messages import Shutdown
from batchscribe_server.transcriber.channel import AsyncChannel
from batchscribe_server.transcriber.surroundings import FOLDER, child_environment

log = structlog.get_logger()

Incoming = TypeVar("Incoming")

LAST_LINES = 5
MAX_LINE_BYTES = 2000

GONE_S = 10.0
"""In which a killed child is gone, unless a system call holds it, as a read of a network mount that hangs."""


class ChildStartError(Exception):
    """A child that could not be started, or did not say that it is ready; the message says how it ended."""


@dataclass(frozen=True, slots=True)
class ChildCommand:
    """How to start one kind of child: `argv` is completed with the descriptors of its socket and of the arena."""

    kind: str  # the word for it in logs
    argv: Sequence[str]
    incoming: Any  # the union of the message types it may send
    hello: type  # the message type that says it is ready
    handshake_timeout_s: float = 120.0
    grace_s: float = 10.0  # how long it may take to end when asked to


class Child(Generic[Incoming]):
    """A running child and its channel. Whoever spawned it must call `end` or `kill`, which leave nothing behind.

    It leads a session of its own: an interrupt typed at a terminal reaches the server alone, which then ends its
    children in good order.
    """

    def __init__(
        self, command: ChildCommand, process: asyncio.subprocess.Process, channel: AsyncChannel[Incoming]
    ) -> None:
        self.command = command
        self.channel = channel
        self.pid = process.pid
        self._process = process
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        # Both end by themselves when the process does; `_reap` collects them.
        self._stderr = asyncio.create_task(self._forward_stderr(), name=f"{command.kind}-stderr-{self.pid}")
        self.exited: asyncio.Task[int] = asyncio.create_task(process.wait(), name=f"{command.kind}-exit-{self.pid}")

    @classmethod
    async def spawn(
        cls, command: ChildCommand, arena_descriptor: int | None = None
    ) -> tuple[Child[Incoming], Incoming]:
        """Start a child and wait for its hello, which is returned too. Without an arena it gets none.

        Raises ChildStartError when it can't be started, ends, or says nothing in time; no process is left then.
        """
        try:
            own_end, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            raise ChildStartError(f"it gets no channel: {error.strerror}") from error
        with child_end:
            descriptors = {"--channel-fd": child_end.fileno()}
            if arena_descriptor is not None:
                descriptors["--arena-fd"] = arena_descriptor
            channel: AsyncChannel[Incoming] = await AsyncChannel.over(own_end, command.incoming)
            try:
                process = await asyncio.create_subprocess_exec(
                    *command.argv,
                    *(word for name, number in descriptors.items() for word in (name, str(number))),
                    pass_fds=tuple(descriptors.values()),
                    cwd=FOLDER,
                    env=child_environment(),
                    start_new_session=True,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                )
            except OSError as error:
                await channel.close()
                raise ChildStartError(f"{command.argv[0]} cannot be started: {error.strerror}") from error
            except BaseException:
                await channel.close()
                raise
        # Nothing is awaited between the process and its keeper, so a cancellation here leaves no process behind.
        child: Child[Incoming] = cls(command, process, channel)
        try:
            hello = await child._handshake()
        except BaseException:
            await child.kill()
            raise
        log.info("child_ready", child=command.kind, pid=child.pid)
        return child, hello

    async def _handshake(self) -> Incoming:
        try:
            async with asyncio.timeout(self.command.handshake_timeout_s):
                hello = await self.channel.receive()
        except TimeoutError as error:
            raise ChildStartError(f"it said nothing for {self.command.handshake_timeout_s:g} s") from error
        except ChannelClosedError as error:
            raise ChildStartError(await self.describe_death()) from error
        if not isinstance(hello, self.command.hello):
            raise ChildStartError(f"it began with {type(hello).__name__}")
        return hello

    async def describe_death(self) -> str:
        """How the child ended, in words: the signal's name or the exit code, and its last line on standard error.

        A child that closed its channel and lives on is killed first.
        """
        try:
            async with asyncio.timeout(1.0):
                await asyncio.shield(self.exited)
        except TimeoutError:
            await self.kill()
            return "it closed its channel without exiting"
        await self._reap()
        ending = describe_exit(self.exited.result())
        return f"{ending}: {self._last_lines[-1]}" if self._last_lines else ending

    async def end(self) -> None:
        """Ask the child to finish what runs and exit, wait for `grace_s`, then kill it."""
        with contextlib.suppress(ChannelClosedError):
            self.channel.send(Shutdown())
        try:
            async with asyncio.timeout(self.command.grace_s):
                await asyncio.shield(self.exited)
        except TimeoutError:
            log.warning("child_ignored_shutdown", child=self.command.kind, pid=self.pid)
        finally:
            await self.kill()

    def strike(self) -> None:
        """Kill the child if it still runs, without waiting; its channel ends when it is gone."""
        if not self.exited.done():
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def kill(self) -> None:
        """Kill the child if it still runs and wait until it is gone: from then on it touches no slot any more.

        Nor does one that a system call holds beyond GONE_S: it ends before it comes to any other instruction.
        """
        self.strike()
        await self._reap()

    async def _reap(self) -> None:
        await asyncio.wait([self.exited, self._stderr], timeout=GONE_S)
        if not self.exited.done():
            log.error("child_held_by_system_call", child=self.command.kind, pid=self.pid)
        await self.channel.close()

    async def _forward_stderr(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        rest = b""
        while chunk := await stream.read(4096):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._forward(line)
            rest = rest[-MAX_LINE_BYTES:]
        self._forward(rest)

    def _forward(self, line: bytes) -> None:
        text = line[:MAX_LINE_BYTES].decode(errors="replace").strip()
        if text:
            self._last_lines.append(text)
            log.warning("child_stderr", child=self.command.kind, pid=self.pid, line=text)


def describe_exit(returncode: int) -> str:
    """A process's end in words: "SIGSEGV", or "exit code 3"."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"
