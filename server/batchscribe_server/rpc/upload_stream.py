"""The stream of an upload: a header, then chunks, none of them late."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator

from batchscribe.v1 import job_service_pb2 as pb
from batchscribe_server.domain.errors import UploadStalledError, Violations
from batchscribe_server.rpc.supported_fields import refuse_unsupported
from batchscribe_server.rpc.validate_text import check_text

MAX_CHUNK_BYTES = 1 << 20

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


async def read_header(requests: AsyncIterator[pb.UploadMediaRequest], silence_s: float) -> pb.UploadHeader:
    """The first message's header. Raises InvalidArgumentError, UploadStalledError."""
    violations = Violations()
    first = await _next_request(requests, silence_s)
    if first is None or first.WhichOneof("data") != "header":
        violations.add("header", "the first message must carry the header")
        violations.raise_if_any()
    assert first is not None
    refuse_unsupported(first, violations)
    header = first.header
    check_text(header.file_name, "header.file_name", violations)
    if header.size_bytes < 0:
        violations.add("header.size_bytes", "must not be negative")
    if header.sha256 and not _SHA256.fullmatch(header.sha256):
        violations.add("header.sha256", "must be 64 hexadecimal digits")
    violations.raise_if_any()
    return header


async def read_chunks(requests: AsyncIterator[pb.UploadMediaRequest], silence_s: float) -> AsyncGenerator[bytes]:
    """The bytes of the messages after the header. Raises InvalidArgumentError, UploadStalledError."""
    while (request := await _next_request(requests, silence_s)) is not None:
        violations = Violations()
        if request.WhichOneof("data") != "chunk":
            violations.add("chunk", "every message after the first must carry a chunk")
        if len(request.chunk) > MAX_CHUNK_BYTES:
            violations.add("chunk", f"holds {len(request.chunk)} bytes, at most {MAX_CHUNK_BYTES} are taken at once")
        violations.raise_if_any()
        yield request.chunk
        del request  # not kept while the next one is waited for


async def _next_request(
    requests: AsyncIterator[pb.UploadMediaRequest], silence_s: float
) -> pb.UploadMediaRequest | None:
    try:
        async with asyncio.timeout(silence_s):
            return await anext(requests, None)
    except TimeoutError:
        raise UploadStalledError(
            f"nothing came for {silence_s:g} seconds; nothing of the upload is kept, start it anew"
        ) from None
