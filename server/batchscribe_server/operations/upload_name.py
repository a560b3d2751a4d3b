"""What an upload is called where it came from."""

from __future__ import annotations

from batchscribe_server.domain.errors import MediaNotFoundError
from batchscribe_server.domain.media import upload_id
from batchscribe_server.operations.store import MediaStore


async def upload_name(store: MediaStore, tenant: str, uri: str) -> str:
    """The name that outputs of an upload take, `media/…`; that of one that is gone is its id."""
    media_id = upload_id(uri)
    try:
        media = await store.get_media(tenant, media_id)
    except MediaNotFoundError:
        return media_id
    return media.output_name
