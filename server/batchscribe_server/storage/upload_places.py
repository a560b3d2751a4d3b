"""Uploads in two places: new ones in one spool, those of before in another."""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager

from batchscribe_server.domain.media import Media
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.operations.storage import LocalInput, UploadedFile, UploadIds, UploadSpool


class UploadPlaces:
    """An UploadSpool that receives into a bucket, and still has what is on the disk from when there was none."""

    def __init__(self, bucket: UploadSpool, disk: UploadSpool) -> None:
        self._bucket = bucket
        self._disk = disk

    async def receive(
        self,
        media_id: str,
        chunks: AsyncIterable[bytes],
        declared_size_bytes: int | None = None,
        declared_sha256: str = "",
    ) -> UploadedFile:
        """Receive into the bucket."""
        return await self._bucket.receive(media_id, chunks, declared_size_bytes, declared_sha256)

    def open_input(self, media: Media, party: Party = NOBODY) -> AbstractAsyncContextManager[LocalInput]:
        """Open it where it lies."""
        return (self._bucket if media.is_object else self._disk).open_input(media, party)

    async def media_ids(self) -> UploadIds:
        """Those of both."""
        for spool in (self._disk, self._bucket):
            async for ids in spool.media_ids():
                yield ids

    async def remove(self, media_id: str) -> None:
        """Drop it from both."""
        await self._disk.remove(media_id)
        await self._bucket.remove(media_id)

    async def drop_unfinished(self, min_age_s: float) -> int:
        """Drop what is unfinished in both."""
        return await self._disk.drop_unfinished(min_age_s) + await self._bucket.drop_unfinished(min_age_s)
