"""What a language model reads out of a transcript: part by part where it is long, the parts' summaries joined after."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from batchscribe_server.analysis.chunks import chunks_of, spoken_lines
from batchscribe_server.analysis.entities import entity_at
from batchscribe_server.analysis.prompts import (
    Findings,
    NamedEntity,
    Points,
    joining_instructions,
    reading_instructions,
)
from batchscribe_server.analysis.sentences import turns_of
from batchscribe_server.analysis.topics import MAX_TOPICS
from batchscribe_server.domain.analysis import Entity, EntityKind, Maker, Summary, SummaryPoint, Topic
from batchscribe_server.domain.recognition import RecognitionConfig, SummaryConfig
from batchscribe_server.domain.transcript import Transcript

MAX_POINTS = 50
MAX_POINT_CHARS = 4_000
MAX_TOPIC_CHARS = 100
MAX_ROUNDS = 5
"""How often summaries of parts are joined to fewer before it is given up."""

Answer = TypeVar("Answer")
Result = TypeVar("Result")


class LanguageModelError(Exception):
    """The language model gave no answer that can be used; the message is plain words that hold nothing of the text."""


class Endpoint(Protocol):
    """Where a language model is asked; `ChatEndpoint` is one."""

    async def ask(self, instructions: str, text: str, shape: type[Answer]) -> Answer:
        """The model's answer to `text`, as JSON of that shape. Raises LanguageModelError."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model found; None is what was not asked for."""

    summary: Summary | None
    topics: tuple[Topic, ...] | None
    entities: tuple[Entity, ...] | None


class LanguageModel:
    """Reads transcripts, at most `max_input_chars` at a time."""

    def __init__(self, endpoint: Endpoint, max_input_chars: int) -> None:
        self._endpoint = endpoint
        self._max_input_chars = max_input_chars

    async def read(self, transcript: Transcript, config: RecognitionConfig) -> Reading:
        """The summary, topics, and names of persons, places and organizations, as the config asks for them.

        Raises LanguageModelError: then nothing of it is used.
        """
        chunks = await asyncio.to_thread(self._chunks, transcript)
        whole = len(chunks) == 1
        instructions = reading_instructions(
            config.summary, topics=config.speech_analytics, entities=config.enable_entities, whole=whole
        )
        findings = await _all(lambda chunk: self._findings(instructions, chunk, config), chunks)
        summary = topics = entities = None
        if config.summary is not None:
            points = [point for found in findings for point in found.points or ()]
            points = points if whole else await self._joined(points, config.summary)
            if not points:
                raise LanguageModelError("its summary is empty")
            summary = Summary(
                config.summary.style,
                config.summary.length,
                Maker.LANGUAGE_MODEL,
                tuple(SummaryPoint(point) for point in points),
            )
        if config.speech_analytics:
            topics = _topics([found.topics or [] for found in findings])
        if config.enable_entities:
            named = [entity for found in findings for entity in found.entities or ()]
            entities = await asyncio.to_thread(_located, named, transcript)
        return Reading(summary, topics, entities)

    def _chunks(self, transcript: Transcript) -> list[str]:
        return chunks_of(spoken_lines(turns_of(transcript)), self._max_input_chars)

    async def _findings(self, instructions: str, chunk: str, config: RecognitionConfig) -> Findings:
        found = await self._endpoint.ask(instructions, chunk, Findings)
        for key, is_asked in (
            ("points", config.summary is not None),
            ("topics", config.speech_analytics),
            ("entities", config.enable_entities),
        ):
            if is_asked and getattr(found, key) is None:
                raise LanguageModelError(f'its answer lacks "{key}"')
        return Findings(
            points=_clean(found.points or (), MAX_POINT_CHARS)[:MAX_POINTS],
            topics=_clean(found.topics or (), MAX_TOPIC_CHARS)[:MAX_TOPICS],
            entities=found.entities,
        )

    async def _joined(self, points: Sequence[str], summary: SummaryConfig) -> list[str]:
        """One summary of the parts' points, joined in several rounds where they are too many to be read at once."""
        for _ in range(MAX_ROUNDS):
            chunks = chunks_of((f"- {point}" for point in points), self._max_input_chars)
            instructions = joining_instructions(summary, whole=len(chunks) <= 1)

            async def join(chunk: str, instructions: str = instructions) -> list[str]:
                answer = await self._endpoint.ask(instructions, chunk, Points)
                return _clean(answer.points, MAX_POINT_CHARS)[:MAX_POINTS]

            points = [point for joined in await _all(join, chunks) for point in joined]
            if len(chunks) <= 1:
                return points
        raise LanguageModelError("the summaries of its parts could not be joined")


async def _all(work: Callable[[str], Awaitable[Result]], chunks: Sequence[str]) -> list[Result]:
    """The work on all chunks, in their order. The first that fails ends the others."""
    tasks: list[asyncio.Task[Result]] = []

    async def one(chunk: str) -> Result:
        return await work(chunk)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(chunk)) for chunk in chunks]
    # Not `except*`: Python 3.11.2 puts what is raised there into a group of its own.
    except ExceptionGroup as failures:
        failed, others = failures.split(LanguageModelError)
        if failed is None or others is not None:
            raise
        raise LanguageModelError(str(failed.exceptions[0])) from None
    return [task.result() for task in tasks]


def _clean(texts: Iterable[str], max_chars: int) -> list[str]:
    """On one line each, without what is empty or too long to be what was asked for."""
    lines = (" ".join(text.split()) for text in texts)
    return [line for line in lines if 0 < len(line) <= max_chars]


def _topics(found: Sequence[Sequence[str]]) -> tuple[Topic, ...]:
    """Those of most parts first, then in the order in which they were found."""
    labels: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for topics in found:
        for topic in topics:
            labels.setdefault(topic.casefold(), topic)
        counts.update({topic.casefold() for topic in topics})
    order = list(labels)
    ranked = sorted(order, key=lambda topic: -counts[topic])
    return tuple(Topic(labels[topic]) for topic in ranked[:MAX_TOPICS])


def _located(named: Iterable[NamedEntity], transcript: Transcript) -> tuple[Entity, ...]:
    """Every place in the text where what was named stands; what stands nowhere was not said, and is left out."""
    kinds: dict[str, EntityKind] = {}
    for entity in named:
        if text := entity.text.strip():
            kinds.setdefault(text, EntityKind(entity.kind))
    return tuple(_found(kinds, transcript))


def _found(kinds: dict[str, EntityKind], transcript: Transcript) -> Iterator[Entity]:
    if not kinds:
        return
    # The longest first: "New York City" is not "New York".
    names = "|".join(re.escape(name) for name in sorted(kinds, key=lambda name: (-len(name), name)))
    pattern = re.compile(rf"(?<!\w)(?:{names})(?!\w)")
    for segment in transcript.segments:
        for match in pattern.finditer(segment.text):
            yield entity_at(transcript, segment, kinds[match.group()], *match.span())
