"""The storage behind `az://` URIs, on Azure Blob Storage. The only module that imports Azure's SDK.

Blobs are fetched to a file and written in blocks, so that memory holds a few pieces of one at most. Retries of single
requests are the SDK's; a download that is cut off goes on where it was.

The SDK's exceptions may hold URLs, and with a SAS token in use these are credentials. So none of them leaves this
module, not even as the cause of another.
"""

from __future__ import annotations

import io
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Self

from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob import BlobBlock, BlobProperties
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ExponentialRetry

from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason, StoreAwayFailure
from batchscribe_server.domain.fingerprint import fingerprint
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.storage import FoundObject, LocalInput, WrittenFile
from batchscribe_server.storage.azure_answers import MISSING, denial, failure
from batchscribe_server.storage.azure_options import ANY_CONTAINER, AzureOptions
from batchscribe_server.storage.azure_uri import (
    AzureAddress,
    MalformedAzureUriError,
    account_name,
    azure_address,
    azure_uri,
)
from batchscribe_server.storage.download import Expected, NoAnswerError, downloaded
from batchscribe_server.storage.globs import Selection
from batchscribe_server.storage.http_headers import retry_after_s
from batchscribe_server.storage.objects import (
    as_folder,
    conflict,
    in_chunks,
    in_parts,
    meant,
    named_itself,
    preceded,
)
from batchscribe_server.storage.public_session import PrivateAddressError, public_session

if TYPE_CHECKING:
    from batchscribe_server.storage.fetched import FetchedFiles

BLOCK_BYTES = 8 * 1024**2
"""How much of an output is held before it goes out."""

PIECE_BYTES = 4 * 1024**2
"""How much of an input one request fetches."""

_ONE_PUT_BYTES = 1024**2  # larger bodies have to be streams, or would be copied on the event loop in one go

_BUSY = frozenset({408, 429, 500, 502, 503, 504})

_CHANGED = frozenset({"ConditionNotMet"})
_TAKEN = frozenset({"BlobAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite"})


class _CutOffError(Exception):
    """A connection ended in the middle of a download, and another request may mend it; the message is plain words."""


class AzureStorage:
    """Blobs in the containers that the operator allows. To be used as a context, which holds the connections."""

    def __init__(
        self,
        options: AzureOptions,
        fetched: FetchedFiles,
        *,
        max_size_bytes: int = 0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`max_size_bytes` is what an input may have at most, 0 for no limit: nothing larger is fetched."""
        self._options = options
        self._fetched = fetched
        self._max_size_bytes = max_size_bytes
        self._now = now

    async def __aenter__(self) -> Self:
        options = self._options
        # The SDK would log the URL of every request.
        logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
        self._client = BlobServiceClient(
            options.account_url,
            credential=_credential(options),
            # Pauses of 2, 4, 8, … s, give or take one: after 14 s nobody is there, after a minute the service is too
            # busy (it asks to slow down with 503).
            retry_policy=ExponentialRetry(
                initial_backoff=0,
                increment_base=2,
                random_jitter_range=1,
                retry_total=options.max_retries,
                retry_connect=min(3, options.max_retries),
                retry_read=options.max_retries,
                retry_status=options.max_retries,
            ),
            connection_timeout=10,
            read_timeout=60,
            logging_enable=False,
            # The service never redirects, and what it names as another place was not checked.
            permit_redirects=False,
            transport=AioHttpTransport(session=public_session()) if options.public_only else None,
            max_single_get_size=PIECE_BYTES,
            max_chunk_get_size=PIECE_BYTES,
        )
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.close()

    def store_of(self, uri: str) -> str:
        """The container, at its account's URL."""
        return f"{self._options.account_url} {uri.split('/', 3)[2:3]}"

    async def check_allowed(self, uri: str) -> None:
        """Raises PathNotAllowedError for a container that the operator did not allow."""
        self._allowed(uri)

    @asynccontextmanager
    async def open_input(
        self, uri: str, party: Party = NOBODY, expected: Expected | None = None
    ) -> AsyncIterator[LocalInput]:
        """The blob, fetched to a file and compared with what is `expected`. Its fingerprint is its size and its ETag.

        Raises JobFailure FETCH_FAILED, BUCKET_READ_DENIED, MEDIA_TOO_LARGE, and INPUT_CHANGED for a blob that is
        written to while it is fetched.
        """
        address = self._address(uri, Reason.FETCH_FAILED)
        if not address.blob:
            raise JobFailure(
                Reason.FETCH_FAILED, f"{uri} is a container; submit a batch with it as a prefix to take all its blobs"
            )
        with self._told(uri, Reason.FETCH_FAILED, Reason.BUCKET_READ_DENIED):
            properties = await self._blob(address).get_blob_properties()
        etag = str(properties.etag)
        async with downloaded(
            uri,
            int(properties.size),
            etag,
            lambda start: self._pieces(uri, address, etag, start),
            fetched=self._fetched,
            party=party,
            max_size_bytes=self._max_size_bytes,
            cut_off=(_CutOffError,),
            expected=expected,
        ) as file:
            yield file

    async def list_prefix(
        self,
        uri: str,
        include_globs: Sequence[str] = (),
        exclude_globs: Sequence[str] = (),
        after_cursor: str = "",
    ) -> AsyncIterator[Sequence[FoundObject]]:
        """The blobs whose names begin with the URI's, taken for a folder, in the order of their names.

        What only stands for a folder is left out: empty blobs whose names end with a slash, and those that say so.
        A name that has nothing below it may be a blob itself, unless it ends with a slash.
        """
        selection = await in_thread(partial(Selection, include_globs, exclude_globs))
        async with aclosing(in_chunks(self._found(uri, selection, after_cursor))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def write_output(
        self, uri: str, data: bytes | Iterable[bytes], on_conflict: OnConflict = OnConflict.OVERWRITE
    ) -> WrittenFile:
        """Write a blob, which readers see once it is whole.

        A large one is made of blocks that nobody sees before all are there. When writing fails in its middle, those
        that are there already go with the next write to that name, or after a week: Azure has no other way.
        """
        address = self._address(uri, Reason.OUTPUT_FAILED)
        is_new = on_conflict is not OnConflict.OVERWRITE
        if is_new and (size_bytes := await self._size_of(uri, address)) is not None:
            return conflict(uri, size_bytes, on_conflict)
        passed_on = _TAKEN if is_new else frozenset[str]()
        try:
            async with aclosing(in_parts(data, BLOCK_BYTES)) as parts:
                with self._told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED, passed_on):
                    return WrittenFile(uri, await _put(self._blob(address), parts, is_new=is_new))
        except HttpResponseError:  # another writer was there first
            return conflict(uri, await self._size_of(uri, address) or 0, on_conflict)

    async def write_stream(self, uri: str, parts: AsyncGenerator[bytes], part_bytes: int) -> None:
        """Write a new blob from what comes piece by piece; readers see it once it is whole, or never.

        `parts` may have any size. Where they raise, what came already goes after a week: see `write_output`. Raises
        JobFailure OUTPUT_FAILED and BUCKET_WRITE_DENIED.
        """
        blob = self._blob(self._address(uri, Reason.OUTPUT_FAILED))
        with self._told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED):
            await _put_in_blocks(blob, parts, None)

    async def names(self, uri: str) -> AsyncGenerator[Sequence[str]]:
        """The names of the blobs in a folder, a page at a time; none is fine. Raises JobFailure as `list_prefix`."""
        container, name = self._address(uri, Reason.SCAN_FAILED)
        folder = as_folder(name)
        async for page in self._pages(uri, container, folder):
            yield [blob.name[len(folder) :] for blob in page]

    async def discard(self, uri: str) -> None:
        """Remove a blob; none there is fine. Raises JobFailure OUTPUT_FAILED and BUCKET_WRITE_DENIED."""
        await self.remove(uri)

    async def drop_unfinished(self, uri: str, begun_before: datetime) -> int:
        """Nothing: Azure drops blocks itself that are not made a blob within a week, and shows them to nobody."""
        return 0

    async def check_writable(self, uri: str) -> None:
        """Write a blob on a condition that none meets: that takes the right to write, and leaves nothing."""
        container, name = self._place(uri, Reason.OUTPUT_FAILED)
        blob = self._client.get_blob_client(
            container, name if name and not name.endswith("/") else f"{name}.batchscribe"
        )
        with (
            suppress(HttpResponseError),
            self._told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED, _CHANGED | MISSING),
        ):
            await blob.upload_blob(b"", overwrite=True, etag="0x0", match_condition=MatchConditions.IfNotModified)

    async def identity(self, uri: str) -> str:
        """The scheme in lower case, the container and the blob, with slashes for what Azure takes for slashes."""
        try:
            container, blob = azure_address(uri)
        except MalformedAzureUriError:
            return uri
        return azure_uri(container, blob.replace("\\", "/"))

    async def exists(self, uri: str) -> bool:
        """Whether there is a blob of that URI."""
        return await self._size_of(uri, self._address(uri, Reason.OUTPUT_FAILED)) is not None

    async def remove(self, uri: str) -> bool:
        """Remove a blob; returns whether there was one."""
        address = self._address(uri, Reason.OUTPUT_FAILED)
        try:
            with self._told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED, MISSING):
                await self._blob(address).delete_blob()
        except HttpResponseError:
            return False
        return True

    def _allowed(self, uri: str) -> AzureAddress:
        try:
            address = azure_address(uri)
        except MalformedAzureUriError as error:
            raise PathNotAllowedError(str(error), uri=uri) from None
        if not self._options.containers & {address.container, ANY_CONTAINER}:
            raise PathNotAllowedError(
                f"{uri} is in a container that this server may not use; its operator allows one with "
                "storage.azure.containers",
                uri=uri,
            )
        return address

    def _place(self, uri: str, reason: Reason) -> AzureAddress:
        try:
            return self._allowed(uri)
        except PathNotAllowedError as error:
            raise JobFailure(reason, error.message) from None

    def _address(self, uri: str, reason: Reason) -> AzureAddress:
        address = self._place(uri, reason)
        if not address.blob and reason is Reason.OUTPUT_FAILED:
            raise JobFailure(reason, f"{uri} is a container; name a blob in it")
        return address

    def _blob(self, address: AzureAddress) -> BlobClient:
        return self._client.get_blob_client(address.container, address.blob)

    async def _size_of(self, uri: str, address: AzureAddress) -> int | None:
        """The size of a blob, or None where there is none."""
        properties = await self._properties(uri, address, Reason.OUTPUT_FAILED)
        return None if properties is None else int(properties.size)

    async def _properties(self, uri: str, address: AzureAddress, failed: Reason) -> BlobProperties | None:
        """What is known of a blob, or None where there is none."""
        try:
            with self._told(uri, failed, Reason.BUCKET_READ_DENIED, MISSING):
                return await self._blob(address).get_blob_properties()
        except HttpResponseError:
            return None

    async def _pieces(self, uri: str, address: AzureAddress, etag: str, start: int) -> AsyncGenerator[bytes]:
        has_answered = False
        try:
            with self._told(uri, Reason.FETCH_FAILED, Reason.BUCKET_READ_DENIED, _CHANGED, may_go_on=True):
                stream = await self._blob(address).download_blob(
                    offset=start, etag=etag, match_condition=MatchConditions.IfNotModified
                )
                async for piece in stream.chunks():
                    has_answered = True
                    yield piece
        except _CutOffError as error:
            if has_answered:
                raise
            raise NoAnswerError(str(error)) from None
        except HttpResponseError:
            raise JobFailure(
                Reason.INPUT_CHANGED, f"{uri} changed while it was fetched. Submit it again once it is complete."
            ) from None

    async def _found(self, uri: str, selection: Selection, after_cursor: str) -> AsyncGenerator[FoundObject]:
        container, name = self._address(uri, Reason.SCAN_FAILED)
        folder = as_folder(name)
        is_empty = not after_cursor
        async with aclosing(self._listed(uri, container, folder, after_cursor)) as pages:
            async for page in pages:
                is_empty = is_empty and not page
                blobs = [blob for blob in page if not _is_folder(blob)]
                listed = [(blob.name[len(folder) :], int(blob.size)) for blob in blobs]
                for index in await in_thread(partial(meant, listed, selection)):
                    blob, (relative_path, size_bytes) = blobs[index], listed[index]
                    mark = fingerprint(size_bytes, str(blob.etag or ""))
                    yield FoundObject(azure_uri(container, blob.name), relative_path, size_bytes, mark)
        if is_empty:
            is_folder = not name or name.endswith("/")
            address = AzureAddress(container, name)
            named = None if is_folder else await self._properties(uri, address, Reason.SCAN_FAILED)
            if named is None or _is_folder(named):
                raise JobFailure(Reason.SCAN_FAILED, f"there is no blob below {uri}")
            for found in named_itself(
                azure_uri(container, name), name, int(named.size), str(named.etag or ""), selection
            ):
                yield found

    async def _listed(
        self, uri: str, container: str, folder: str, after_cursor: str
    ) -> AsyncGenerator[Sequence[BlobProperties]]:
        """The blobs whose names begin with `folder`, after the cursor, page by page.

        Azure's marks for going on can't be made from a name, and to begin at one (`startFrom`) is too new to be relied
        on: a service that doesn't know it begins at the first. So the listing is read from its beginning, 5,000 names a
        request, and what comes before the cursor is dropped.
        """
        if not after_cursor:
            async for page in self._pages(uri, container, folder):
                yield page
            return
        last, is_after = folder + after_cursor, False
        async for page in self._pages(uri, container, folder):
            if is_after:
                yield page
            elif last in (names := [blob.name for blob in page]):
                is_after = True
                yield page[names.index(last) + 1 :]
        if not is_after:  # it was removed, so that only its name tells what comes after it
            async for page in self._pages(uri, container, folder):
                yield [blob for blob in page if blob.name > last]

    async def _pages(self, uri: str, container: str, folder: str) -> AsyncGenerator[Sequence[BlobProperties]]:
        blobs = self._client.get_container_client(container).list_blobs(folder or None, include=["metadata"])
        pages = aiter(blobs.by_page())
        while True:
            with self._told(uri, Reason.SCAN_FAILED, Reason.BUCKET_READ_DENIED):
                page = await anext(pages, None)
                found = [] if page is None else [blob async for blob in page]
            if page is None:
                return
            yield found

    @contextmanager
    def _told(
        self,
        uri: str,
        failed: Reason,
        denied: Reason,
        passed_on: Collection[str] = (),
        *,
        may_go_on: bool = False,
    ) -> Iterator[None]:
        """Turn the service's errors into JobFailures in plain words, which never hold what it answered.

        The codes in `passed_on` stay HttpResponseErrors, to be caught at once; with `may_go_on`, broken connections
        become _CutOffErrors.
        """
        try:
            yield
        except PrivateAddressError:
            raise JobFailure(failed, f"{uri}: the address of the account URL is not public") from None
        except (AzureError, OSError, TimeoutError) as error:
            code, status = _code(error), getattr(error, "status_code", None)
            if code in passed_on:
                raise
            if status is None and may_go_on:
                raise _CutOffError(f"the connection broke ({type(error).__name__})") from None
            if status is None:
                words = f"the object store cannot be reached ({type(error).__name__})"
                raise StoreAwayFailure(failed, f"{uri}: {words}") from None
            if words := denial(code, status, self._options.sas_token, self._now()):
                raise JobFailure(denied, f"{uri}: {words}") from None
            if status in _BUSY:
                raise StoreAwayFailure(failed, failure(uri, code, status), _retry_after_s(error)) from None
            raise JobFailure(failed, failure(uri, code, status)) from None


async def _put(blob: BlobClient, parts: AsyncGenerator[bytes], *, is_new: bool) -> int:
    """Write a blob in one request, or a large one in blocks. Returns its size in bytes."""
    first, second = await anext(parts, b""), await anext(parts, None)
    if second is None and len(first) <= _ONE_PUT_BYTES:
        await blob.upload_blob(first, overwrite=not is_new)
        return len(first)
    all_parts = preceded([first] if second is None else [first, second], parts)
    return await _put_in_blocks(blob, all_parts, MatchConditions.IfMissing if is_new else None)


async def _put_in_blocks(blob: BlobClient, parts: AsyncGenerator[bytes], condition: MatchConditions | None) -> int:
    # The blocks of all who write to a name lie together until one of them is done, so each has names of its own.
    writer = secrets.token_hex(8)
    blocks: list[BlobBlock] = []
    size_bytes = 0
    async with aclosing(parts):
        async for part in parts:
            block = BlobBlock(f"{writer}-{len(blocks):06}")
            if part:
                await blob.stage_block(block.id, io.BytesIO(part), len(part))
                blocks.append(block)
                size_bytes += len(part)
            del part
    await blob.commit_block_list(blocks, match_condition=condition)
    return size_bytes


def _credential(options: AzureOptions) -> AzureNamedKeyCredential | AzureSasCredential | None:
    if options.account_key:
        return AzureNamedKeyCredential(account_name(options.account_url), options.account_key)
    return AzureSasCredential(options.sas_token) if options.sas_token else None


def _is_folder(blob: BlobProperties) -> bool:
    """Whether a blob stands for a folder, as accounts with real folders and tools that mount containers write them."""
    return any(name.lower() == "hdi_isfolder" and value == "true" for name, value in (blob.metadata or {}).items())


def _retry_after_s(error: BaseException) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return retry_after_s({name.lower(): value for name, value in headers.items()})


def _code(error: BaseException) -> str:
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))
