"""Length-prefixed MessagePack frames over a socket: how descriptors travel between the server and its children.

A frame is a little-endian uint32 of the payload's length, then the payload. The payload is decoded against the union
of message types that the other side may send, so nothing else gets in, whatever the peer has become.
"""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any, Generic, TypeVar

import msgspec

from batchscribe_engine.messages import Message

MAX_FRAME_BYTES = 16 * 1024 * 1024
LENGTH = struct.Struct("<I")

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


class BlockingChannel(Generic[Incoming]):
    """A child's end of the socket. One thread receives; any thread sends."""

    def __init__(self, descriptor: int, incoming: Any) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._codec: FrameCodec[Incoming] = FrameCodec(incoming)
        self._sending = threading.Lock()

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
        return self._codec.decode(self._exactly(length))

    def close(self) -> None:
        """Close this end; the other side sees the end of the stream."""
        self._socket.close()

    def _exactly(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            try:
                part = self._socket.recv(count)
            except OSError as error:
                raise ChannelClosedError from error
            if not part:
                raise ChannelClosedError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
