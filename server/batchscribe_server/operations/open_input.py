"""Open what a URI or an upload's name stands for as a local file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from batchscribe_server.domain.errors import JobFailure, MediaNotFoundError, Reason
from batchscribe_server.domain.layout import file_name
from batchscribe_server.domain.media import is_upload, upload_id
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.operations.storage import LocalInput, Storage, UploadSpool
from batchscribe_server.operations.store import MediaStore


class OpenInput:
    """Opens inputs of the storage that is given, and uploads."""

    def __init__(self, store: MediaStore, uploads: UploadSpool) -> None:
        self._store = store
        self._uploads = uploads

    @asynccontextmanager
    async def __call__(
        self, tenant: str, uri: str, storage: Storage, party: Party = NOBODY
    ) -> AsyncIterator[tuple[LocalInput, str]]:
        """The file, and what it is called where it came from.

        Raises JobFailure as `Storage.open_input` does, and UploadElsewhereError.
        """
        if not is_upload(uri):
            async with storage.open_input(uri, party) as file:
                yield file, file_name(uri)
            return
        try:
            media = await self._store.get_media(tenant, upload_id(uri))
        except MediaNotFoundError as error:
            raise JobFailure(Reason.FETCH_FAILED, "The upload is gone: it had expired. Upload it again.") from error
        async with self._uploads.open_input(media, party) as file:
            yield file, media.file_name
