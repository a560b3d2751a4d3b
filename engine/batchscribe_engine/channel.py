"""Length-prefixed MessagePack frames over a socket: how descriptors travel between the server and its children.

A frame is a little-endian uint32 of the payload's length, then the payload. The payload is decoded against the union
of message types that the other side may send, so nothing else gets in, whatever the peer has become.

The file of a `FileTask` goes along with the first byte of its frame (SCM_RIGHTS): a child is given files, never names,
so what a name leads to meanwhile does not matter, nor what it is made of.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from typing import Any, Generic, TypeVar

import msgspec

from batchscribe_engine.messages import FileTask, Message

MAX_FRAME_BYTES = 16 * 1024 * 1024
LENGTH = struct.Struct("<I")
_DESCRIPTOR = struct.Struct("i")
_ONE_FILE = socket.CMSG_LEN(_DESCRIPTOR.size)

Incoming = TypeVar("Incoming")


class ChannelClosedError(Exception):
    """The other side is gone."""


class FrameCodec(Generic[Incoming]):
    """Encodes messages to frames and decodes the payloads of `incoming`, a union of message types."""

    def __init__(self, incoming: Any) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Incoming] = msgspec.msgpack.Decoder(incoming)

    def encode(self, message: Message) -> bytes:
        """One frame, length and payload."""
        payload = self._encoder.encode(message)
        return LENGTH.pack(len(payload)) + payload

    def decode(self, payload: bytes) -> Incoming:
        """The message in a payload. Raises msgspec.DecodeError for anything that is not one of the types."""
        return self._decoder.decode(payload)


def send_with_file(end: socket.socket, frame: bytes, descriptor: int) -> int:
    """Send the begin of a frame together with a file; returns how many bytes of it were sent. Raises OSError."""
    return end.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor))])


class BlockingChannel(Generic[Incoming]):
    """A child's end of the socket. One thread receives; any thread sends."""

    def __init__(self, descriptor: int, incoming: Any) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._codec: FrameCodec[Incoming] = FrameCodec(incoming)
        self._sending = threading.Lock()
        self._files: deque[int] = deque()  # received, and their message not yet

    def send(self, message: Message) -> None:
        """Send one message whole. Raises ChannelClosedError when the server is gone."""
        frame = self._codec.encode(message)
        try:
            with self._sending:
                self._socket.sendall(frame)
        except OSError as error:
            raise ChannelClosedError from error

    def receive(self) -> Incoming:
        """Wait for the next message. Raises ChannelClosedError when the server is gone."""
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > MAX_FRAME_BYTES:
            raise ChannelClosedError(f"a frame of {length} bytes")
        message = self._codec.decode(self._exactly(length))
        if not isinstance(message, FileTask):
            return message
        if not self._files:
            raise ChannelClosedError("a task without its file")
        return msgspec.structs.replace(message, descriptor=self._files.popleft())

    def close(self) -> None:
        """Close this end; the other side sees the end of the stream."""
        self._socket.close()

    def _exactly(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            try:
                part, ancillary, _, _ = self._socket.recvmsg(count, _ONE_FILE, socket.MSG_CMSG_CLOEXEC)
            except OSError as error:
                raise ChannelClosedError from error
            if not part:
                raise ChannelClosedError
            self._files.extend(number for *_, data in ancillary for (number,) in _DESCRIPTOR.iter_unpack(data))
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
