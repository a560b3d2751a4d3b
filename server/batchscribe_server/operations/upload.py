"""Take an upload: its bytes into the spool, then its record into the store."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from datetime import datetime, timedelta

from batchscribe_server.domain.errors import UploadSpaceError
from batchscribe_server.domain.media import Media
from batchscribe_server.operations.storage import UploadSpool
from batchscribe_server.operations.store import Store


class Upload:
    """Receives uploads, which are kept for `keep_s` and as long as a job that has not ended names them."""

    def __init__(
        self,
        store: Store,
        spool: UploadSpool,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
        keep_s: float,
        max_open: int = 256,
    ) -> None:
        """At most `max_open` are received at a time."""
        self._max_open = max_open
        self._open = 0
        self._store = store
        self._spool = spool
        self._new_id = new_id
        self._now = now
        self._keep = timedelta(seconds=keep_s)

    async def __call__(
        self,
        tenant: str,
        file_name: str,
        chunks: AsyncIterable[bytes],
        *,
        declared_size_bytes: int | None = None,
        declared_sha256: str = "",
    ) -> Media:
        """The upload, on the disk and recorded. However this ends but well, nothing of it stays.

        Raises UploadTooLargeError, UploadSpaceError, UploadMismatchError, and whatever `chunks` raises.
        """
        media_id = self._new_id()
        if self._open >= self._max_open:
            raise UploadSpaceError(
                f"this server receives {self._max_open} uploads already, as many as it takes at a time; try again later"
            )
        self._open += 1
        try:
            received = await self._spool.receive(media_id, chunks, declared_size_bytes, declared_sha256)
        finally:
            self._open -= 1
        time = self._now()
        media = Media(
            id=media_id,
            tenant=tenant,
            file_name=file_name,
            size_bytes=received.size_bytes,
            sha256=received.sha256,
            path=received.path,
            create_time=time,
            expire_time=time + self._keep,
        )
        try:
            await self._store.create_media(media)
        except BaseException:
            await self._spool.remove(media_id)
            raise
        return media
