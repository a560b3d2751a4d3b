"""What the protos say in comments, which the stubs don't keep."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

Comments = Mapping[str, str]
"""Comments by the full names of what they are about: messages, fields, enums, their values, services, methods."""

_PACKAGE = "batchscribe.v1"


def read_comments(repository: Path) -> Comments:
    """All comments of the contract."""
    built = subprocess.run(["buf", "build", "--output", "-"], cwd=repository, capture_output=True, check=True)  # noqa: S607
    comments: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(built.stdout).file:
        if file.package == _PACKAGE:
            comments.update(_comments_of(file))
    return comments


def _comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        if location.leading_comments and (name := _name_at(file, list(location.path))):
            yield name, " ".join(location.leading_comments.split())


def _name_at(file: FileDescriptorProto, path: list[int]) -> str | None:
    """The full name of what lies at a path of SourceCodeInfo; None for what has no name, such as the syntax."""
    names, holder = [file.package], file
    while path:
        field = holder.DESCRIPTOR.fields_by_number[path[0]]
        if len(path) == 1:
            return None
        found: Any = getattr(holder, field.name)[path[1]]
        if not hasattr(found, "name"):
            return None
        names.append(found.name)
        holder, path = found, path[2:]
    return ".".join(names)
