"""The contract as the gateway sees it: the services, how each method may be handled, and their descriptor set."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from google.api import httpbody_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from batchscribe.v1 import batch_service_pb2, job_service_pb2, model_service_pb2

SERVICES: tuple[ServiceDescriptor, ...] = (
    batch_service_pb2.DESCRIPTOR.services_by_name["BatchService"],
    job_service_pb2.DESCRIPTOR.services_by_name["JobService"],
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
)
SERVICE_NAMES = tuple(service.full_name for service in SERVICES)


class Handling(Enum):
    """How long a call may take, and when it may be sent to another replica."""

    STREAM = "stream"
    """Reads for as long as it takes; another replica may begin it."""
    LONG_POLL = "long poll"
    """Reads and may wait some minutes; another replica may do it."""
    READ = "read"
    """Reads at once; another replica may do it."""
    UPLOAD = "upload"
    """Writes for as long as it takes; another replica only where the first surely did not begin."""
    WRITE = "write"
    """Changes something at once; another replica only where the first surely did not begin."""

    @property
    def is_read(self) -> bool:
        """To do it twice does no harm."""
        return self not in (Handling.UPLOAD, Handling.WRITE)


def handling_of(method: MethodDescriptor) -> Handling:
    """How the calls of a method are handled, by its name and shape."""
    if method.client_streaming:
        return Handling.UPLOAD
    if not method.name.startswith(("Get", "List", "Watch")):
        return Handling.WRITE
    if method.server_streaming:
        return Handling.STREAM
    return Handling.LONG_POLL if "wait" in method.input_type.fields_by_name else Handling.READ


def methods() -> Iterator[tuple[str, Handling]]:
    """The HTTP/2 path of every method, and how it is handled."""
    for service in SERVICES:
        for method in service.methods:
            yield f"/{service.full_name}/{method.name}", handling_of(method)


def descriptor_set() -> bytes:
    """A serialized FileDescriptorSet of the services and all they use, and of what errors carry."""
    files: dict[str, FileDescriptor] = {}
    roots = [service.file for service in SERVICES]
    # The transcoder writes errors as JSON only where it knows each of their details.
    roots += [error_details_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR, httpbody_pb2.DESCRIPTOR]
    for root in roots:
        _add(root, files)
    described = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(described.file.add())
    return described.SerializeToString(deterministic=True)


def _add(file: FileDescriptor, files: dict[str, FileDescriptor]) -> None:
    """A file after those that it imports."""
    if file.name not in files:
        for imported in file.dependencies:
            _add(imported, files)
        files[file.name] = file
