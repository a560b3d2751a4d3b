"""What an upload is called where it came from."""

from __future__ import annotations

from batchscribe_server.domain.errors import MediaNotFoundError
from batchscribe_server.operations.store import MediaStore
from batchscribe_server.operations.submit import MEDIA_PREFIX


async def upload_name(store: MediaStore, tenant: str, uri: str) -> str:
    """The name that outputs of an upload take, `media/…`; that of one that is gone is its id."""
    media_id = uri.removeprefix(MEDIA_PREFIX)
    try:
        media = await store.get_media(tenant, media_id)
    except MediaNotFoundError:
        return media_id
    return media.file_name or media.id
