"""The server's end of a socket, against a blocking end and against nonsense."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest

from batchscribe_engine.channel import LENGTH, BlockingChannel, ChannelClosedError, FrameCodec
from batchscribe_engine.messages import (
    CancelTask,
    FromMediaWorker,
    MediaFailed,
    MediaProgress,
    ToMediaWorker,
    TranscodeTask,
    VoiceActivityOptions,
    WorkerReady,
)
from batchscribe_server.transcriber.channel import MAX_UNSENT_BYTES, AsyncChannel


@pytest.fixture
async def ends() -> AsyncIterator[tuple[AsyncChannel[FromMediaWorker], socket.socket]]:
    own, other = socket.socketpair()
    channel: AsyncChannel[FromMediaWorker] = await AsyncChannel.over(own, FromMediaWorker)
    async with asyncio.timeout(10):
        yield channel, other
        await channel.close()
    other.close()


async def test_messages_arrive_whole_and_in_order(ends):
    channel, other = ends
    child: BlockingChannel[ToMediaWorker] = BlockingChannel(other.detach(), ToMediaWorker)
    sent = [WorkerReady(1), *(MediaProgress(7, n) for n in range(100))]
    for message in sent:
        child.send(message)

    assert [await channel.receive() for _ in sent] == sent
    channel.send(CancelTask(7))
    assert await asyncio.to_thread(child.receive) == CancelTask(7)
    child.close()


async def test_the_end_of_the_child_is_the_end_of_the_channel(ends):
    channel, other = ends
    other.close()

    with pytest.raises(ChannelClosedError):
        await channel.receive()

    async def send_until_it_is_noticed() -> None:
        while True:
            channel.send(CancelTask(1))
            await asyncio.sleep(0)

    with pytest.raises(ChannelClosedError):
        await send_until_it_is_noticed()


@pytest.mark.parametrize(
    "nonsense",
    [
        LENGTH.pack(3) + b"\xc1\xc1\xc1",
        LENGTH.pack(2**31) + b"x",
        LENGTH.pack(100) + b"short",
        FrameCodec(ToMediaWorker).encode(CancelTask(1)),
    ],
    ids=["no message", "far too long", "cut off", "a message of the other side"],
)
async def test_nonsense_closes_the_channel(ends, nonsense):
    channel, other = ends
    other.sendall(nonsense)
    other.shutdown(socket.SHUT_WR)

    with pytest.raises(ChannelClosedError):
        await channel.receive()


async def test_a_child_that_does_not_read_is_given_up_instead_of_waited_for(ends):
    channel, _ = ends

    large = MediaFailed(1, "", "x" * 100_000)

    def flood() -> None:
        for _ in range(2 * MAX_UNSENT_BYTES // 100_000):
            channel.send(large)

    with pytest.raises(ChannelClosedError, match="does not read"):
        flood()
    with pytest.raises(ChannelClosedError):
        channel.send(CancelTask(1))


async def test_a_file_travels_with_its_task_whatever_its_name_is_made_of(ends, tmp_path):
    channel, other = ends
    child: BlockingChannel[ToMediaWorker] = BlockingChannel(other.detach(), ToMediaWorker)
    for number, name in enumerate([b"caf\xe9.wav", b"plain.wav"]):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(name)
        with path.open("rb") as file:
            channel.send(CancelTask(number))
            channel.send(TranscodeTask(number, file.fileno(), VoiceActivityOptions(), file_name="x" * 10_000))
        path.unlink()
    for number, name in enumerate([b"caf\xe9.wav", b"plain.wav"]):
        assert await asyncio.to_thread(child.receive) == CancelTask(number)
        task = await asyncio.to_thread(child.receive)
        assert isinstance(task, TranscodeTask)
        with os.fdopen(task.descriptor, "rb") as file:
            assert file.read() == name
        assert task.file_name == "x" * 10_000
    child.close()


async def test_a_child_that_does_not_read_is_given_no_file(ends, tmp_path):
    channel, _ = ends
    (tmp_path / "a").touch()
    channel.send(MediaFailed(1, "", "x" * 1_000_000))
    with (tmp_path / "a").open("rb") as file, pytest.raises(ChannelClosedError, match="does not read"):
        channel.send(TranscodeTask(1, file.fileno(), VoiceActivityOptions()))


def test_a_task_without_its_file_closes_the_channel():
    own, other = socket.socketpair()
    child: BlockingChannel[ToMediaWorker] = BlockingChannel(other.detach(), ToMediaWorker)
    own.sendall(FrameCodec(ToMediaWorker).encode(TranscodeTask(1, 0, VoiceActivityOptions())))
    with pytest.raises(ChannelClosedError, match="without its file"):
        child.receive()
    child.close()
    own.close()
