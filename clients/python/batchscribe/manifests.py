"""Lists of files for a batch: in the request, or uploaded where they are long."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import BinaryIO

from google.protobuf.json_format import MessageToJson

from batchscribe.connection import Connection
from batchscribe.uploads import upload_media
from batchscribe.v1.storage_pb2 import InputConfig, ManifestEntry, ManifestInput

MAX_ENTRIES_IN_REQUEST = 1_000


def manifest_at(uri: str) -> InputConfig:
    """The files that a manifest lists which the server reads: JSON lines or CSV, by its URI or an upload's name."""
    return InputConfig(manifest=ManifestInput(manifest_uri=uri))


async def manifest_of(connection: Connection, files: Iterable[str | ManifestEntry]) -> InputConfig:
    """Files by URI or as entries, of any number: those that a request does not take are uploaded as JSON lines.

    `files` are read in a thread, and only as far as they are needed.
    """
    entries = (ManifestEntry(uri=file) if isinstance(file, str) else file for file in files)
    first = await asyncio.to_thread(lambda: list(islice(entries, MAX_ENTRIES_IN_REQUEST + 1)))
    if len(first) <= MAX_ENTRIES_IN_REQUEST:
        return InputConfig(manifest=ManifestInput(files=first))
    with tempfile.TemporaryFile() as file:
        await asyncio.to_thread(_write, file, chain(first, entries))
        media = await upload_media(connection, file, file_name="manifest.jsonl", on_progress=None)
    return manifest_at(media.name)


def _write(file: BinaryIO, entries: Iterator[ManifestEntry]) -> None:
    for entry in entries:
        line = MessageToJson(entry, indent=None, preserving_proto_field_name=True, ensure_ascii=False)
        file.write(line.encode() + b"\n")
    file.seek(0)
