"""One child process: its hello, its last words and its certain end."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from batchscribe_engine.arena import Arena
from batchscribe_engine.messages import FromMediaWorker, MediaProgress, WorkerReady
from batchscribe_server.transcriber.child import Child, ChildCommand, ChildStartError
from tests.scripted_children import PATIENCE_S, children_of_this_process

HELLO = """
import argparse, os, signal, sys, time
from batchscribe_engine.channel import BlockingChannel
from batchscribe_engine.messages import *
parser = argparse.ArgumentParser()
parser.add_argument("--channel-fd", type=int)
parser.add_argument("--arena-fd", type=int)
options = parser.parse_args()
channel = BlockingChannel(options.channel_fd, ToMediaWorker)
channel.send({hello})
"""


def command(code: str, hello: str = "WorkerReady(os.getpid())", **changes: float) -> ChildCommand:
    argv = (sys.executable, "-c", HELLO.format(hello=hello) + code)
    timeouts = {"handshake_timeout_s": PATIENCE_S, "grace_s": PATIENCE_S} | changes
    return ChildCommand("child", argv, FromMediaWorker, WorkerReady, **timeouts)


@pytest.fixture
def arena_descriptor():
    arena = Arena.create(2)
    yield arena.descriptor
    arena.close()


@pytest.fixture(autouse=True)
async def no_child_is_left() -> AsyncIterator[None]:
    before = children_of_this_process()
    yield
    assert children_of_this_process() <= before


async def test_a_child_that_is_asked_to_end_ends_by_itself(arena_descriptor):
    child, hello = await Child[FromMediaWorker].spawn(command("channel.receive()"), arena_descriptor)
    assert hello == WorkerReady(child.pid)
    await child.end()

    assert child.exited.result() == 0


async def test_a_child_that_ignores_being_asked_is_killed(arena_descriptor):
    child, _ = await Child.spawn(command("time.sleep(600)", grace_s=0.1), arena_descriptor)
    await child.end()

    assert child.exited.result() == -signal.SIGKILL


async def test_the_death_of_a_child_is_told_with_its_last_words(arena_descriptor):
    code = "print('first', file=sys.stderr); print('out of luck', file=sys.stderr); sys.exit(3)"
    child, _ = await Child.spawn(command(code), arena_descriptor)

    assert await child.describe_death() == "exit code 3: out of luck"


async def test_a_signal_is_told_by_its_name(arena_descriptor):
    child, _ = await Child.spawn(command("time.sleep(600)"), arena_descriptor)
    os.kill(child.pid, signal.SIGSEGV)

    assert await child.describe_death() == "SIGSEGV"


async def test_a_child_that_closes_its_channel_and_lives_on_is_killed(arena_descriptor):
    child, _ = await Child.spawn(command("channel.close(); time.sleep(600)"), arena_descriptor)

    assert await child.describe_death() == "it closed its channel without exiting"
    assert child.exited.result() == -signal.SIGKILL


async def test_what_a_child_writes_to_standard_error_is_logged_however_long_and_broken(arena_descriptor):
    code = "sys.stderr.buffer.write(b'x' * 100_000 + b'\\n\\xff\\xfe last'); sys.exit(1)"
    with structlog.testing.capture_logs() as logs:
        child, _ = await Child.spawn(command(code), arena_descriptor)
        ending = await child.describe_death()

    lines = [entry["line"] for entry in logs if entry["event"] == "child_stderr"]
    assert ending.endswith("last")
    assert len(lines) == 2
    assert len(lines[0]) <= 2000


async def test_nobody_waits_for_ever_for_a_child_that_is_not_gone(arena_descriptor, monkeypatch):
    # Its heir, which keeps its standard error open, stands for a process that a system call holds.
    monkeypatch.setattr("batchscribe_server.transcriber.child.GONE_S", 0.1)
    code = "pid = os.fork()\nif pid: channel.send(MediaProgress(pid, 1))\ntime.sleep(600)"
    child, _ = await Child[FromMediaWorker].spawn(command(code), arena_descriptor)
    told = await child.channel.receive()
    assert isinstance(told, MediaProgress)
    heir = told.task_id
    try:
        async with asyncio.timeout(PATIENCE_S):
            await child.kill()
    finally:
        os.kill(heir, signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "hello", "words"),
    [
        ("sys.exit(4)", "MediaProgress(1, 1)", "it began with MediaProgress"),
        ("", "sys.exit(4)", "exit code 4"),
        ("", "time.sleep(600)", "it said nothing for 0.5 s"),
    ],
)
async def test_a_child_that_says_no_hello_is_not_started(arena_descriptor, code, hello, words):
    timeout_s = 0.5 if "nothing" in words else PATIENCE_S

    with pytest.raises(ChildStartError, match=words):
        await Child.spawn(command(code, hello, handshake_timeout_s=timeout_s), arena_descriptor)


async def test_a_program_that_is_not_there_is_told(arena_descriptor):
    missing = ChildCommand("child", ("/nowhere/engine",), FromMediaWorker, WorkerReady)

    with pytest.raises(ChildStartError, match="/nowhere/engine cannot be started"):
        await Child.spawn(missing, arena_descriptor)


async def test_a_child_for_which_no_descriptor_is_left_is_not_started(arena_descriptor):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) - 1, before[1]))
    try:
        with pytest.raises(ChildStartError, match="Too many open files"):
            await Child.spawn(command("channel.receive()"), arena_descriptor)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_start_that_is_cancelled_leaves_no_process(arena_descriptor):
    starting = asyncio.create_task(Child[FromMediaWorker].spawn(command("", "time.sleep(600)"), arena_descriptor))
    async with asyncio.timeout(PATIENCE_S):
        while not children_of_this_process("time.sleep(600)"):
            await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.wait([starting])

    assert starting.cancelled()
    assert not children_of_this_process("time.sleep(600)")


async def test_a_child_sees_the_arena(arena_descriptor):
    code = """
from batchscribe_engine.arena import Arena
channel.send(MediaProgress(1, Arena.attach(options.arena_fd).slots))
channel.receive()
"""
    child, _ = await Child.spawn(command(code), arena_descriptor)

    assert await child.channel.receive() == MediaProgress(1, 2)
    await child.end()
