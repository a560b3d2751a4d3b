"""The Analyst: the service's own analysis, with a language model's work in its place where that does it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import structlog

from batchscribe_server.analysis.embedded import analysis_of
from batchscribe_server.analysis.language_model import LanguageModel, LanguageModelError, Reading
from batchscribe_server.domain.analysis import Analysis, Entity, Maker
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import Transcript
from batchscribe_server.operations.in_thread import in_thread

log = structlog.get_logger()


class Analyst:
    """Analyses transcripts. What the language model fails at is told, and the service's own work stands."""

    def __init__(self, language_model: LanguageModel | None = None) -> None:
        self._language_model = language_model
        # It is plain Python: two at once would only take turns, and more of the server's time.
        self._computing = asyncio.Semaphore(1)

    async def analyze(self, transcript: Transcript, config: RecognitionConfig) -> Analysis:
        """What the config asks for."""
        async with self._computing:
            own = await in_thread(partial(analysis_of, transcript, config))
        if self._language_model is None or not transcript.text:
            return own
        try:
            reading = await self._language_model.read(transcript, config)
        except LanguageModelError as error:
            log.warning("language_model_failed", job=transcript.job_name, problem=str(error))
            return replace(own, failure=f"The language model could not be used: {error}.")
        return _with(own, reading)


def _with(own: Analysis, reading: Reading) -> Analysis:
    analytics, entities = own.analytics, own.entities
    if analytics is not None and reading.topics is not None:
        analytics = replace(analytics, topics=reading.topics, topics_made_by=Maker.LANGUAGE_MODEL)
    if entities is not None and reading.entities is not None:
        entities = tuple(sorted((*entities, *reading.entities), key=_place))
    return replace(own, entities=entities, analytics=analytics, summary=reading.summary or own.summary)


def _place(entity: Entity) -> tuple[int, int]:
    return entity.segment, entity.start_ms
