"""What is found in one file, on its way to its reader."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable

from batchscribe_engine.messages import MediaOpened
from batchscribe_server.domain.transcript import MediaDescription
from batchscribe_server.operations.transcriber import DecodingProgress, MediaSummary, Transcription

MAX_UNREAD = 64
"""Results that may wait for their reader, or for an earlier one; with more the file gets no further slot."""


class ResultStream:
    """The events of one file that wait to be read, and the failure after them; `on_read` is called at each reading."""

    def __init__(self, on_read: Callable[[], None]) -> None:
        self._on_read = on_read
        self._unread: deque[Transcription] = deque()
        self._failure: Exception | None = None
        self._news = asyncio.Event()
        self.described = False

    @property
    def unread(self) -> tuple[Transcription, ...]:
        """What the reader can have now."""
        return tuple(self._unread)

    def __len__(self) -> int:
        return len(self._unread)

    async def events(self) -> AsyncGenerator[Transcription]:
        """The file's events, up to its summary. Raises the failure after what was given before it."""
        while True:
            while self._unread:
                event = self._unread.popleft()
                self._on_read()
                yield event
                if isinstance(event, MediaSummary):
                    return
            if self._failure is not None:
                raise self._failure
            self._news.clear()
            await self._news.wait()

    def describe(self, message: MediaOpened) -> None:
        """Give the file's description, once."""
        if not self.described:
            self.described = True
            self.give(
                MediaDescription(
                    message.container,
                    message.codec,
                    message.sample_rate_hz,
                    message.channels,
                    message.duration_ms,
                    message.same_sound_as,
                )
            )

    def give(self, event: Transcription) -> None:
        """Give the next event. Of progress that nobody has read yet, only the latest is kept."""
        if isinstance(event, DecodingProgress) and self._unread and isinstance(self._unread[-1], DecodingProgress):
            self._unread.pop()
        self._unread.append(event)
        self._news.set()

    def fail(self, failure: Exception) -> None:
        """End with a failure, the first of them."""
        if self._failure is None:
            self._failure = failure
            self._news.set()


def probability(log_prob: float) -> float:
    """A log probability as one from 0 to 1, whatever numbers the model came to: overflowing, it gives not-a-number."""
    return 0.0 if math.isnan(log_prob) else math.exp(min(0.0, log_prob))
