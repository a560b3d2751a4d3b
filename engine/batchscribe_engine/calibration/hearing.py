"""The speech segments of a recording, found and cut just as for a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchscribe_engine.media.decoder import MediaFile
from batchscribe_engine.media.hearing import OneChannel
from batchscribe_engine.media.transcode import batches
from batchscribe_engine.messages import VoiceActivityOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchscribe_engine.media.segment import Segment
    from batchscribe_engine.media.voice_activity import SileroModel


def segments_of(path: Path, model: SileroModel) -> Iterator[Segment]:
    """The segments of one file in order, as a stream. Raises MediaError, also in the middle."""
    channel = OneChannel(model, VoiceActivityOptions())
    with path.open("rb") as file, MediaFile(file.fileno(), path.name) as media:
        for portion in batches(media.blocks()):
            yield from channel.push(portion)
        yield from channel.finish()
