"""The storage behind `s3://` URIs, on any service that speaks S3.

Objects are fetched to a file and written in parts, so that memory holds a part of one at most. Retries of single
calls, throttling included, are botocore's, and a few more where a store is still too busy: botocore has only so many
retries for all calls of a client, which one bucket that is throttled would use up. A download that is cut off goes on
where it was.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Self

from aiohttp import ClientError as TransportError
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError
from botocore.exceptions import ConnectionError as UnreachableError

from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason, StoreAwayFailure
from batchscribe_server.domain.fingerprint import fingerprint
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.storage import FoundObject, LocalInput, WrittenFile
from batchscribe_server.storage.download import ATTEMPTS, Expected, NoAnswerError, downloaded, pause_s
from batchscribe_server.storage.globs import Selection
from batchscribe_server.storage.http_headers import retry_after_s
from batchscribe_server.storage.ibm_iam import ApiKeyRefusedError, IamUnreachableError
from batchscribe_server.storage.objects import (
    as_folder,
    conflict,
    in_chunks,
    in_parts,
    meant,
    named_itself,
    preceded,
)
from batchscribe_server.storage.s3_answers import CHANGED, MISSING, NO_UPLOAD, TAKEN, TOO_BUSY, denial, failure
from batchscribe_server.storage.s3_checksums import announced, checksum_of, declared, repeated
from batchscribe_server.storage.s3_client import opened_client
from batchscribe_server.storage.s3_options import ANY_BUCKET, S3Options
from batchscribe_server.storage.s3_uri import MalformedS3UriError, S3Address, s3_address, s3_uri

if TYPE_CHECKING:
    from batchscribe_server.storage.fetched import FetchedFiles

PART_BYTES = 8 * 1024**2
"""How much of an output is held before it goes out; S3 takes no smaller parts than 5 MiB."""

WRITE_MARK = "batchscribe-write"
"""The metadata by which an output is known for the one that was just written."""

_READ_BYTES = 1024**2

# To which HEAD gives no reason, having no body.
_UNEXPLAINED = frozenset({400, 401, 403})

_BUSY = frozenset({429, 500, 502, 503, 504})

# What ends a download in its middle, and another request may mend.
_CUT_OFF = (BotoCoreError, TransportError, OSError, TimeoutError)

_UNREACHABLE = (HTTPClientError, UnreachableError, TransportError, OSError, TimeoutError)


class S3Storage:
    """Objects in the buckets that the operator allows. To be used as a context, which holds the connections."""

    def __init__(self, options: S3Options, fetched: FetchedFiles, *, max_size_bytes: int = 0) -> None:
        """`max_size_bytes` is what an input may have at most, 0 for no limit: nothing larger is fetched."""
        self._options = options
        self._fetched = fetched
        self._max_size_bytes = max_size_bytes

    async def __aenter__(self) -> Self:
        self._open = AsyncExitStack()
        self._client = await self._open.enter_async_context(opened_client(self._options))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._open.aclose()

    def store_of(self, uri: str) -> str:
        """The bucket, at its endpoint."""
        return f"{self._options.endpoint} {uri.split('/', 3)[2:3]}"

    async def check_allowed(self, uri: str) -> None:
        """Raises PathNotAllowedError for a bucket that the operator did not allow."""
        self._allowed(uri)

    @asynccontextmanager
    async def open_input(
        self, uri: str, party: Party = NOBODY, expected: Expected | None = None
    ) -> AsyncIterator[LocalInput]:
        """The object, fetched to a file and compared with what is `expected`, or else with what the store declares of
        it. Its fingerprint is its size and its ETag.

        Raises JobFailure FETCH_FAILED, BUCKET_READ_DENIED, MEDIA_TOO_LARGE, and INPUT_CHANGED for an object that is
        written to while it is fetched.
        """
        address = self._address(uri, Reason.FETCH_FAILED)
        if not address.key:
            raise JobFailure(
                Reason.FETCH_FAILED, f"{uri} is a bucket; submit a batch with it as a prefix to take all its objects"
            )
        with _told(uri, Reason.FETCH_FAILED, Reason.BUCKET_READ_DENIED):
            head = await self._head(address)
        etag = str(head["ETag"])
        if expected is None and self._options.check_downloads:
            expected = declared(head)
        async with downloaded(
            uri,
            int(head["ContentLength"]),
            etag,
            lambda start: self._pieces(uri, address, etag, start),
            fetched=self._fetched,
            party=party,
            max_size_bytes=self._max_size_bytes,
            cut_off=_CUT_OFF,
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
        """The objects whose keys begin with the URI's, taken for a folder, in the order of their keys.

        Empty objects whose keys end with a slash only stand for folders, and are left out. A key that has nothing below
        it may be an object itself, unless it ends with a slash.
        """
        selection = await in_thread(partial(Selection, include_globs, exclude_globs))
        async with aclosing(in_chunks(self._found(uri, selection, after_cursor))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def write_output(
        self, uri: str, data: bytes | Iterable[bytes], on_conflict: OnConflict = OnConflict.OVERWRITE
    ) -> WrittenFile:
        """Write an object, which readers see once it is whole."""
        address = self._address(uri, Reason.OUTPUT_FAILED)
        if on_conflict is not OnConflict.OVERWRITE:
            if (size_bytes := await self._size_of(uri, address)) is not None:
                return conflict(uri, size_bytes, on_conflict)
            condition = {"IfNoneMatch": "*"}
        else:
            condition = {}
        mark = secrets.token_hex(16)
        passed_on = NO_UPLOAD | TAKEN if condition else NO_UPLOAD
        try:
            async with aclosing(in_parts(data, PART_BYTES)) as parts:
                with _told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED, passed_on):
                    return WrittenFile(uri, await self._put(address, parts, condition, mark))
        except ClientError as error:
            there = await self._there(uri, address)
            if there is not None and there.get("Metadata", {}).get(WRITE_MARK) == mark:
                # The answer was lost, and the request sent again, which found what it had written itself.
                return WrittenFile(uri, int(there["ContentLength"]))
            if _code(error) in NO_UPLOAD:
                _raise_told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED, error)
            return conflict(uri, int(there["ContentLength"]) if there else 0, on_conflict)

    async def write_stream(self, uri: str, parts: AsyncGenerator[bytes], part_bytes: int) -> None:
        """Write a new object from what comes piece by piece; readers see it once it is whole, or never.

        `parts` have `part_bytes` and more, but the last one, which may have fewer. Where they raise, nothing stays.
        Raises JobFailure OUTPUT_FAILED and BUCKET_WRITE_DENIED.
        """
        address = self._address(uri, Reason.OUTPUT_FAILED)
        target = {"Bucket": address.bucket, "Key": address.key}
        try:
            with _told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED, passed_on=NO_UPLOAD):
                async with aclosing(parts):
                    first = [await anext(parts, b"")]
                    if len(first[0]) < part_bytes:
                        checksum = await self._checksum(first[0])
                        await _patiently(self._client.put_object, **target, **checksum, Body=first[0])
                    else:
                        await self._put_in_parts(target, {}, preceded(first, parts))
        except ClientError as error:
            # Where the answer to its end was lost, and the request sent again, the object is there.
            if await self._size_of(uri, address) is None:
                _raise_told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED, error)

    async def names(self, uri: str) -> AsyncGenerator[Sequence[str]]:
        """The names of the objects in a folder, a page at a time; none is fine. Raises JobFailure as `list_prefix`."""
        bucket, key = self._address(uri, Reason.SCAN_FAILED)
        folder = as_folder(key)
        async for page in self._pages(uri, Prefix=folder, Bucket=bucket):
            yield [each["Key"][len(folder) :] for each in page.get("Contents", ())]

    async def discard(self, uri: str) -> None:
        """Remove an object; none there is fine. Raises JobFailure OUTPUT_FAILED and BUCKET_WRITE_DENIED."""
        address = self._address(uri, Reason.OUTPUT_FAILED)
        with _told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED):
            await _patiently(self._client.delete_object, Bucket=address.bucket, Key=address.key)

    async def drop_unfinished(self, uri: str, begun_before: datetime) -> int:
        """Abort the uploads in parts to objects in a folder that began before then; returns how many.

        Raises JobFailure OUTPUT_FAILED and BUCKET_WRITE_DENIED.
        """
        bucket, key = self._address(uri, Reason.OUTPUT_FAILED)
        dropped = 0
        with _told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED):
            pages = self._client.get_paginator("list_multipart_uploads")
            async for page in pages.paginate(Bucket=bucket, Prefix=as_folder(key)):
                for each in page.get("Uploads", ()):
                    if each["Initiated"] < begun_before:
                        await self._abort(bucket, each["Key"], each["UploadId"])
                        dropped += 1
        return dropped

    async def check_writable(self, uri: str) -> None:
        """Begin an upload in parts and abort it: that takes the right to write, and leaves nothing."""
        address = self._place(uri, Reason.OUTPUT_FAILED)
        key = address.key if address.key and not address.key.endswith("/") else f"{address.key}.batchscribe"
        target = {"Bucket": address.bucket, "Key": key}
        with _told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED):
            try:
                await _patiently(self._client.head_bucket, Bucket=address.bucket)
            except ClientError as error:
                if str(_status(error)) in MISSING:
                    raise JobFailure(Reason.OUTPUT_FAILED, f"{uri}: there is no such bucket") from error
                # Who may not look at the bucket may still write to it.
            upload = await _patiently(self._client.create_multipart_upload, **target)
            await _patiently(self._client.abort_multipart_upload, **target, UploadId=upload["UploadId"])

    async def identity(self, uri: str) -> str:
        """The scheme in lower case, the bucket and the key."""
        try:
            return s3_uri(*s3_address(uri))
        except MalformedS3UriError:
            return uri

    async def exists(self, uri: str) -> bool:
        """Whether there is an object of that URI."""
        return await self._size_of(uri, self._address(uri, Reason.OUTPUT_FAILED)) is not None

    async def remove(self, uri: str) -> bool:
        """Remove an object; returns whether there was one."""
        address = self._address(uri, Reason.OUTPUT_FAILED)
        if await self._size_of(uri, address) is None:
            return False
        with _told(uri, Reason.OUTPUT_FAILED, Reason.BUCKET_WRITE_DENIED):
            await _patiently(self._client.delete_object, Bucket=address.bucket, Key=address.key)
        return True

    def _allowed(self, uri: str) -> S3Address:
        try:
            address = s3_address(uri)
        except MalformedS3UriError as error:
            raise PathNotAllowedError(str(error), uri=uri) from None
        if not self._options.buckets & {address.bucket, ANY_BUCKET}:
            raise PathNotAllowedError(
                f"{uri} is in a bucket that this server may not use; its operator lists the buckets",
                uri=uri,
            )
        return address

    def _address(self, uri: str, reason: Reason) -> S3Address:
        address = self._place(uri, reason)
        if not address.key and reason is Reason.OUTPUT_FAILED:
            raise JobFailure(reason, f"{uri} is a bucket; name an object in it")
        return address

    def _place(self, uri: str, reason: Reason) -> S3Address:
        try:
            return self._allowed(uri)
        except PathNotAllowedError as error:
            raise JobFailure(reason, error.message) from None

    async def _found(self, uri: str, selection: Selection, after_cursor: str) -> AsyncGenerator[FoundObject]:
        bucket, key = self._address(uri, Reason.SCAN_FAILED)
        folder = as_folder(key)
        after = {"StartAfter": folder + after_cursor} if after_cursor else {}
        is_empty = not after_cursor
        async for page in self._pages(uri, Bucket=bucket, Prefix=folder, **after):
            objects = page.get("Contents", ())
            is_empty = is_empty and not objects
            listed = [(each["Key"][len(folder) :], each["Size"]) for each in objects]
            for index in await in_thread(partial(meant, listed, selection)):
                each = objects[index]
                mark = fingerprint(each["Size"], each.get("ETag", ""))
                yield FoundObject(s3_uri(bucket, each["Key"]), each["Key"][len(folder) :], each["Size"], mark)
        if is_empty:
            is_folder = not key or key.endswith("/")
            named = None if is_folder else await self._there(uri, S3Address(bucket, key), Reason.SCAN_FAILED)
            if named is None:
                raise JobFailure(Reason.SCAN_FAILED, f"there is no object below {uri}")
            for found in named_itself(s3_uri(bucket, key), key, int(named["ContentLength"]), named["ETag"], selection):
                yield found

    async def _pages(self, uri: str, **query: str) -> AsyncGenerator[dict[str, Any]]:
        """A listing, page by page."""
        token = ""
        while True:
            with _told(uri, Reason.SCAN_FAILED, Reason.BUCKET_READ_DENIED):
                page = await _patiently(self._client.list_objects_v2, **query)
            yield page
            before, token = token, page.get("NextContinuationToken", "") if page.get("IsTruncated") else ""
            if not token:
                return
            if token == before:
                raise JobFailure(Reason.SCAN_FAILED, f"{uri}: the object store does not go on with its listing")
            query["ContinuationToken"] = token

    async def _size_of(self, uri: str, address: S3Address) -> int | None:
        """The size of an object, or None where there is none."""
        there = await self._there(uri, address)
        return None if there is None else int(there["ContentLength"])

    async def _there(
        self, uri: str, address: S3Address, failed: Reason = Reason.OUTPUT_FAILED
    ) -> dict[str, Any] | None:
        """What is said of an object, or None where there is none."""
        try:
            with _told(uri, failed, Reason.BUCKET_READ_DENIED, passed_on=MISSING):
                return await self._head(address)
        except ClientError:
            return None

    async def _head(self, address: S3Address) -> dict[str, Any]:
        """What the store says of an object. Raises ClientError with the reason, which an answer to HEAD does not hold:
        where it is needed, it is that of a GET.
        """
        request = {"Bucket": address.bucket, "Key": address.key}
        try:
            head: dict[str, Any] = await _patiently(self._client.head_object, **request, ChecksumMode="ENABLED")
        except ClientError as error:
            if _status(error) not in _UNEXPLAINED:
                raise
            answer = await _patiently(self._client.get_object, **request)
            answer["Body"].close()
            head = await _patiently(self._client.head_object, **request, ChecksumMode="ENABLED")
        return head

    async def _pieces(self, uri: str, address: S3Address, etag: str, start: int) -> AsyncGenerator[bytes]:
        request = {"Bucket": address.bucket, "Key": address.key, "IfMatch": etag}
        if start:
            request["Range"] = f"bytes={start}-"
        try:
            with _told(uri, Reason.FETCH_FAILED, Reason.BUCKET_READ_DENIED, passed_on=CHANGED, transport=False):
                response = await _patiently(self._client.get_object, **request)
        except _CUT_OFF as error:
            raise NoAnswerError(type(error).__name__) from error
        except ClientError:
            raise JobFailure(
                Reason.INPUT_CHANGED, f"{uri} changed while it was fetched. Submit it again once it is complete."
            ) from None
        body = response["Body"]
        try:
            if start and not str(response.get("ContentRange", "")).startswith(f"bytes {start}-"):
                raise JobFailure(Reason.FETCH_FAILED, f"{uri} was cut off, and the object store does not go on with it")
            async for piece in body.iter_chunks(_READ_BYTES):
                yield piece
        finally:
            body.close()

    async def _put(self, address: S3Address, parts: AsyncGenerator[bytes], condition: dict[str, str], mark: str) -> int:
        target = {"Bucket": address.bucket, "Key": address.key}
        marked = {**target, "Metadata": {WRITE_MARK: mark}}
        first, second = await anext(parts, b""), await anext(parts, None)
        if second is None:
            checksum = await self._checksum(first)
            await _patiently(self._client.put_object, **marked, **condition, **checksum, Body=first)
            return len(first)
        return await self._put_in_parts(marked, condition, preceded([first, second], parts))

    async def _put_in_parts(
        self, target: dict[str, Any], condition: dict[str, str], parts: AsyncGenerator[bytes]
    ) -> int:
        """`target` is what an upload is begun with: bucket, key, and what else is to be said of the object."""
        upload = await _patiently(self._client.create_multipart_upload, **target, **announced(self._options.checksum))
        this = {"Bucket": target["Bucket"], "Key": target["Key"], "UploadId": upload["UploadId"]}
        try:
            sent: list[dict[str, Any]] = []
            size_bytes = 0
            async with aclosing(parts):
                async for part in parts:
                    checksum, number = await self._checksum(part), len(sent) + 1
                    answer = await _patiently(
                        self._client.upload_part, **this, **checksum, PartNumber=number, Body=part
                    )
                    sent.append({"PartNumber": number, "ETag": answer["ETag"], **repeated(checksum)})
                    size_bytes += len(part)
                    del part
            await _patiently(
                self._client.complete_multipart_upload, **this, **condition, MultipartUpload={"Parts": sent}
            )
        except BaseException:  # also where it is cancelled: parts of an upload that nobody ends are paid for
            with suppress(
                ClientError, ApiKeyRefusedError, IamUnreachableError, *_CUT_OFF
            ):  # what went wrong first is what is told
                await _patiently(self._client.abort_multipart_upload, **this)
            raise
        return size_bytes

    async def _abort(self, bucket: str, key: str, upload_id: str) -> None:
        """End an upload in parts; one that another has ended is fine."""
        try:
            await _patiently(self._client.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if _code(error) not in NO_UPLOAD:
                raise

    async def _checksum(self, part: bytes) -> dict[str, str]:
        return await asyncio.to_thread(checksum_of, part, self._options.checksum)


async def _patiently(call: Callable[..., Awaitable[Any]], **request: Any) -> Any:
    """The answer to a request, which is made again where the store is too busy."""
    for failures in range(1, ATTEMPTS):
        try:
            return await call(**request)
        except ClientError as error:
            if _status(error) not in _BUSY:
                raise
        await asyncio.sleep(pause_s(failures))
    return await call(**request)


@contextmanager
def _told(
    uri: str, failed: Reason, denied: Reason, passed_on: Iterable[str] = (), *, transport: bool = True
) -> Iterator[None]:
    """Turn the store's errors into JobFailures in plain words, which never hold what the store answered.

    The codes in `passed_on` stay ClientErrors; without `transport`, broken connections stay what they are.
    """
    try:
        yield
    except ClientError as error:
        if {_code(error), str(_status(error))} & set(passed_on):
            raise
        _raise_told(uri, failed, denied, error)
    except ApiKeyRefusedError as error:
        raise JobFailure(denied, f"{uri}: {error}") from error
    except IamUnreachableError as error:
        raise StoreAwayFailure(failed, f"{uri}: {error}") from error
    except _CUT_OFF as error:
        if not transport:
            raise
        # What is wrong with a certificate, or with keys that are nowhere to be found, does not mend itself.
        is_away = isinstance(error, _UNREACHABLE) and not isinstance(error, SSLError)
        words = f"{uri}: the object store cannot be reached ({type(error).__name__})"
        raise (StoreAwayFailure if is_away else JobFailure)(failed, words) from error


def _raise_told(uri: str, failed: Reason, denied: Reason, error: ClientError) -> NoReturn:
    code, status = _code(error), str(_status(error))
    if words := denial(code, status):
        raise JobFailure(denied, f"{uri}: {words}") from error
    if _status(error) in _BUSY or code in TOO_BUSY:
        raise StoreAwayFailure(failed, failure(uri, code, status), _retry_after_s(error)) from error
    raise JobFailure(failed, failure(uri, code, status)) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _retry_after_s(error: ClientError) -> float:
    return retry_after_s(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
