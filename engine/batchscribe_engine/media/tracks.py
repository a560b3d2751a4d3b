"""Which of a file's sound tracks is read: films and recordings of calls may hold several, and some are silent."""

from __future__ import annotations

from batchscribe_engine.media.decoder import MediaFile
from batchscribe_engine.media.failure import MediaError
from batchscribe_engine.media.level import sounds

LOOKED_AT_MS = 10 * 60_000


def open_media(descriptor: int, file_name: str = "") -> MediaFile:
    """The file by its best track that sounds in its first ten minutes, or by its best track if none does.

    Raises as `MediaFile`.
    """
    media = MediaFile(descriptor, file_name)
    tracks = media.tracks
    if len(tracks) == 1 or _sounds(descriptor, file_name, tracks[0]):
        return media
    sounding = next((track for track in tracks[1:] if _sounds(descriptor, file_name, track)), None)
    if sounding is None:
        return media
    media.close()
    return MediaFile(descriptor, file_name, sounding)


def _sounds(descriptor: int, file_name: str, track: int) -> bool:
    try:
        with MediaFile(descriptor, file_name, track) as media:
            for block in media.blocks():
                if sounds(block):
                    return True
                if media.position_ms > LOOKED_AT_MS:
                    break
    except MediaError:  # another track may be better
        pass
    return False
