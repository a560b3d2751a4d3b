"""Requests that no client of the contract would send: each is refused in words, and none is taken for a fault here."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from structlog.testing import capture_logs

from batchscribe.v1 import admin_pb2, batch_service_pb2, job_service_pb2, model_service_pb2
from tests.rpc_errors import bad_fields
from tests.rpc_server import Served, served

FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
PATIENCE_S = 60.0
NO_MESSAGE = b"\x0a\xff\xff\xff\x7f not a message"

METHODS: list[MethodDescriptor] = [
    method
    for file in (batch_service_pb2, job_service_pb2, model_service_pb2, admin_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, admin=True) as running:
        yield running


def path_of(method: MethodDescriptor) -> str:
    assert method.containing_service is not None
    return f"/{method.containing_service.full_name}/{method.name}"


async def refusal(channel: grpc.aio.Channel, method: MethodDescriptor, sent: Sequence[bytes]) -> grpc.aio.AioRpcError:
    """How the call of these bytes fails. One that does not fail is cancelled once it has answered."""
    path, deadline_s = path_of(method), PATIENCE_S
    raw: dict[str, Callable[[bytes], bytes]] = {"request_serializer": bytes, "response_deserializer": bytes}
    try:
        async with asyncio.timeout(PATIENCE_S):
            if method.client_streaming:
                await channel.stream_unary(path, **raw)(iter(sent), timeout=deadline_s)
            elif method.server_streaming:
                call = channel.unary_stream(path, **raw)(sent[0], timeout=deadline_s)
                await call.read()
                call.cancel()
            else:
                await channel.unary_unary(path, **raw)(sent[0], timeout=deadline_s)
    except grpc.aio.AioRpcError as error:
        return error
    return grpc.aio.AioRpcError(grpc.StatusCode.OK, grpc.aio.Metadata(), grpc.aio.Metadata())


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_bytes_that_are_no_message_are_refused(service: Served, method: MethodDescriptor) -> None:
    with capture_logs() as lines:
        error = await refusal(service.channel, method, [NO_MESSAGE])
    assert bad_fields(error) == ["(request)"]
    assert [line["event"] for line in lines if line["log_level"] in ("error", "critical")] == []


async def test_other_services_refuse_them_as_well(service: Served) -> None:
    raw: dict[str, Callable[[bytes], bytes]] = {"request_serializer": bytes, "response_deserializer": bytes}
    calls: list[Awaitable[object]] = [
        service.channel.unary_unary("/grpc.health.v1.Health/Check", **raw)(NO_MESSAGE),
        service.channel.unary_stream("/grpc.health.v1.Health/Watch", **raw)(NO_MESSAGE).read(),
        service.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", **raw)(
            iter([NO_MESSAGE])
        ).read(),
    ]
    for call in calls:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, caught.value


TEXTS = (
    *("", "\0", "a\0b", "batches/x\0", "jobs/\0", "models/\0", 'state="\0"', 'labels.a="\0"', 'reference_id="\0"'),
    *("batches/some", "jobs/some", "models/some", "replicas/some", "media/some", "file:///some/a.wav", "en", "\u202e"),
    *("x" * 5_000, "*", "{a,b}", "[", "(", "state=QUEUED", "create_time"),
)
NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31))
LARGE_NUMBERS = (*NUMBERS, 2**63 - 1, -(2**63))


def forged(message: Message, chance: random.Random, depth: int = 0) -> Message:
    """The message with some of its fields set to values of their types that nobody means."""
    for field in message.DESCRIPTOR.fields:
        if depth > 4 or chance.random() < 0.4:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is None:
                getattr(message, field.name)[chance.choice(TEXTS)] = chance.choice(TEXTS)
        elif field.is_repeated:
            for _ in range(chance.randrange(3)):
                if field.message_type is not None:
                    forged(getattr(message, field.name).add(), chance, depth + 1)
                else:
                    getattr(message, field.name).append(value_of(field, chance))
        elif field.message_type is not None:
            forged(getattr(message, field.name), chance, depth + 1)
        else:
            setattr(message, field.name, value_of(field, chance))
    return message


def value_of(field: Any, chance: random.Random) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            text = chance.choice(TEXTS)
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        case FieldDescriptor.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return chance.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
        case FieldDescriptor.CPPTYPE_INT64:
            return chance.choice(LARGE_NUMBERS)
        case FieldDescriptor.CPPTYPE_UINT32 | FieldDescriptor.CPPTYPE_UINT64:
            return chance.choice((0, 1, 2**32 - 1))
        case _:
            return chance.choice(NUMBERS)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them changed, left out or said twice."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        if changed:
            at = chance.randrange(len(changed))
            match chance.randrange(3):
                case 0:
                    changed[at] = chance.randrange(256)
                case 1:
                    del changed[at : at + chance.randrange(1, 9)]
                case _:
                    changed[at:at] = changed[max(0, at - 5) : at]
    return bytes(changed)


def requests(method: MethodDescriptor, chance: random.Random) -> Iterator[bytes]:
    kind = message_factory.GetMessageClass(method.input_type)
    for _ in range(40):
        data = forged(kind(), chance).SerializeToString()
        yield data
        yield mutated(data, chance)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_no_forged_request_is_taken_for_a_fault_of_the_service(service: Served, method: MethodDescriptor) -> None:
    chance = random.Random(method.full_name)
    for data in requests(method, chance):
        error = await refusal(service.channel, method, [data])
        assert error.code() not in FAULTS, (error, data)
