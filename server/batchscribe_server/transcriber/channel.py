"""The server's end of a child's socket: frames in and out on the event loop, never held up by a stuck child."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, Generic, TypeVar

import msgspec

from batchscribe_engine.channel import LENGTH, MAX_FRAME_BYTES, ChannelClosedError, FrameCodec, send_with_file
from batchscribe_engine.messages import FileTask, Message

MAX_UNSENT_BYTES = 4 * 1024 * 1024
"""What may wait for a child to read it. The protocol bounds what is in flight to far less, so more means a child that
no longer reads."""

Incoming = TypeVar("Incoming")


class AsyncChannel(Generic[Incoming]):
    """One socket to one child, speaking the frames of `batchscribe_engine.channel`.

    `send` never blocks: a child that doesn't read is closed once `MAX_UNSENT_BYTES` wait for it, so a hung child can
    hold up nobody. One task receives.
    """

    def __init__(
        self, own_end: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, incoming: Any
    ) -> None:
        self._own_end = own_end
        self._reader = reader
        self._writer = writer
        self._codec: FrameCodec[Incoming] = FrameCodec(incoming)

    @classmethod
    async def over(cls, own_end: socket.socket, incoming: Any) -> AsyncChannel[Incoming]:
        """Take a connected stream socket over; `incoming` is the union of message types the child may send."""
        reader, writer = await asyncio.open_connection(sock=own_end)
        return cls(own_end, reader, writer, incoming)

    def send(self, message: Message) -> None:
        """Send one message. Raises ChannelClosedError when the child is gone or has stopped reading."""
        transport = self._writer.transport
        if transport.is_closing():
            raise ChannelClosedError
        if transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            transport.abort()
            raise ChannelClosedError("the child does not read what it is sent")
        frame = self._codec.encode(message)
        self._writer.write(self._with_file(frame, message.descriptor) if isinstance(message, FileTask) else frame)

    def _with_file(self, frame: bytes, descriptor: int) -> bytes:
        """Send a file with the begin of its frame, past the writer; returns the rest of the frame.

        A child is given a file when it has nothing else to do, and so has read all that was sent before.
        """
        try:
            if self._writer.transport.get_write_buffer_size():
                raise BlockingIOError  # noqa: TRY301 - the same as where the kernel finds its buffer full
            return frame[send_with_file(self._own_end, frame, descriptor) :]
        except BlockingIOError as error:
            self._writer.transport.abort()
            raise ChannelClosedError("the child does not read what it is sent") from error
        except OSError as error:
            raise ChannelClosedError from error

    async def receive(self) -> Incoming:
        """Wait for the next message.

        Raises ChannelClosedError when the child is gone, and when it sends anything but its messages.
        """
        try:
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            if length > MAX_FRAME_BYTES:
                raise ChannelClosedError(f"a frame of {length} bytes")
            return self._codec.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ChannelClosedError from error
        except msgspec.DecodeError as error:
            raise ChannelClosedError("a frame that is no message") from error

    async def close(self) -> None:
        """Close this end; the child sees the end of the stream. What was not yet sent is given up."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
