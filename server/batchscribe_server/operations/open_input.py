"""Open what a URI or an upload's name stands for as a local file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from batchscribe_server.domain.errors import JobFailure, MediaNotFoundError, Reason
from batchscribe_server.domain.layout import file_name
from batchscribe_server.domain.media import Media, is_upload, upload_id
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.operations.observers import TransferObserver
from batchscribe_server.operations.storage import LocalInput, Storage, UploadSpool
from batchscribe_server.operations.store import MediaStore
from batchscribe_server.operations.tracing import Tracing


class OpenInput:
    """Opens inputs of the storage that is given, and uploads."""

    def __init__(
        self,
        store: MediaStore,
        uploads: UploadSpool,
        observer: TransferObserver | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._observer = observer or TransferObserver()
        self._tracing = tracing or Tracing()

    @asynccontextmanager
    async def __call__(
        self, tenant: str, uri: str, storage: Storage, party: Party = NOBODY
    ) -> AsyncIterator[tuple[LocalInput, str]]:
        """The file, and what it is called where it came from.

        Raises JobFailure as `Storage.open_input` does, and UploadElsewhereError.
        """
        async with AsyncExitStack() as opened:
            started_s = time.monotonic()
            with self._tracing.step("fetch"):
                if is_upload(uri):
                    media = await self._media(tenant, upload_id(uri))
                    opening, name = self._uploads.open_input(media, party), media.file_name
                else:
                    opening, name = storage.open_input(uri, party), file_name(uri)
                file = await opened.enter_async_context(opening)
            self._observer.fetched(uri, time.monotonic() - started_s)
            yield file, name

    async def _media(self, tenant: str, media_id: str) -> Media:
        try:
            return await self._store.get_media(tenant, media_id)
        except MediaNotFoundError as error:
            raise JobFailure(Reason.FETCH_FAILED, "The upload is gone: it had expired. Upload it again.") from error
