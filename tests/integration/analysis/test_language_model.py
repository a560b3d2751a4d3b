"""A language model over HTTP: what it is asked, what is taken of its answers, and what becomes of its failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import structlog

from batchscribe_server.analysis.analyst import Analyst
from batchscribe_server.analysis.chat_endpoint import MAX_ANSWER_BYTES, MAX_PAUSE_S, ChatEndpoint, ChatOptions
from batchscribe_server.analysis.language_model import LanguageModel
from batchscribe_server.domain.analysis import Analysis, EntityKind, Maker
from batchscribe_server.domain.recognition import RecognitionConfig, SummaryConfig, SummaryLength, SummaryStyle
from batchscribe_server.domain.transcript import Transcript
from tests.conversations import CALL, one_after_another, transcript_of
from tests.scripted_llm import API_KEY, Answer, ScriptedModel, scripted_model

ALL = RecognitionConfig(
    enable_entities=True, speech_analytics=True, summary=SummaryConfig(SummaryStyle.BULLETS, SummaryLength.SHORT)
)
GOOD = {
    "points": ["A late delivery is\n refunded.", "  "],
    "topics": ["Late delivery", "Refund"],
    "entities": [
        {"kind": "person", "text": "Mr. Brown"},
        {"kind": "organization", "text": "Northwind"},
        {"kind": "place", "text": "Atlantis"},
    ],
}
LONG = one_after_another(*(("A", f"This is the sentence number {number} of a long talk.") for number in range(400)))


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with scripted_model() as started:
        yield started


@pytest.fixture
def pauses() -> list[float]:
    return []


async def analyzed(
    model: ScriptedModel,
    pauses: list[float],
    transcript: Transcript | None = None,
    config: RecognitionConfig = ALL,
    *,
    max_input_chars: int = 24_000,
    timeout_s: float = 30.0,
    max_requests: int = 2,
) -> Analysis:
    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    options = ChatOptions(model.url, "scripted", API_KEY, timeout_s=timeout_s, max_requests=max_requests)
    async with ChatEndpoint(options, sleep=sleep, jitter=lambda: 1.0) as endpoint:
        analyst = Analyst(LanguageModel(endpoint, max_input_chars))
        return await analyst.analyze(transcript or transcript_of(CALL), config)


async def test_a_good_answer_takes_the_place_of_the_services_own(model: ScriptedModel, pauses: list[float]) -> None:
    model.answers = [Answer(GOOD)]
    analysis = await analyzed(model, pauses)
    assert analysis.failure == ""
    assert analysis.summary is not None
    assert analysis.summary.made_by is Maker.LANGUAGE_MODEL
    assert [point.text for point in analysis.summary.points] == ["A late delivery is refunded."]
    assert analysis.analytics is not None
    assert [topic.label for topic in analysis.analytics.topics] == ["Late delivery", "Refund"]
    assert analysis.analytics.topics_made_by is Maker.LANGUAGE_MODEL
    assert analysis.analytics.sentiment is not None
    [question] = model.asked
    assert (question["model"], question["response_format"], question["max_tokens"]) == (
        "scripted",
        {"type": "json_object"},
        2048,
    )
    assert model.texts[0].startswith("Agent: Hello, this is Mr. Brown")
    assert model.keys == [f"Bearer {API_KEY}"]


async def test_names_are_placed_where_they_were_said_and_nowhere_else(
    model: ScriptedModel, pauses: list[float]
) -> None:
    model.answers = [Answer(GOOD)]
    analysis = await analyzed(model, pauses)
    assert analysis.entities is not None
    named = [
        entity
        for entity in analysis.entities
        if entity.kind in (EntityKind.PERSON, EntityKind.PLACE, EntityKind.ORGANIZATION)
    ]
    # Atlantis was invented, and www.northwind.com is no Northwind.
    assert [(entity.kind.value, entity.text, entity.segment, entity.party) for entity in named] == [
        ("person", "Mr. Brown", 0, "Agent"),
        ("organization", "Northwind", 0, "Agent"),
    ]
    assert any(entity.kind is EntityKind.MONEY for entity in analysis.entities)
    assert [entity.segment for entity in analysis.entities] == sorted(entity.segment for entity in analysis.entities)


async def test_only_what_is_asked_for_is_asked_of_it(model: ScriptedModel, pauses: list[float]) -> None:
    model.answers = [Answer({"topics": ["Refund"]})]
    analysis = await analyzed(model, pauses, config=RecognitionConfig(speech_analytics=True))
    assert (analysis.summary, analysis.entities, analysis.failure) == (None, None, "")
    instructions = model.asked[0]["messages"][0]["content"]
    assert '"topics"' in instructions
    assert '"points"' not in instructions
    assert '"entities"' not in instructions


async def test_it_is_asked_again_when_it_has_too_much_to_do(model: ScriptedModel, pauses: list[float]) -> None:
    model.answers = [
        Answer(status=429, headers={"Retry-After": "7"}),
        Answer(status=429, headers={"Retry-After": "3600"}),
        Answer(status=503),
        Answer(GOOD),
    ]
    analysis = await analyzed(model, pauses)
    assert analysis.failure == ""
    assert pauses == [7.0, MAX_PAUSE_S, 4.0]


OWN = {
    "malformed": Answer('{"points": ["half'),
    "fenced": Answer('```json\n{"points": []}\n```'),
    "of_another_shape": Answer({"points": "one", "topics": [], "entities": []}),
    "of_another_kind": Answer({"points": ["x"], "topics": [], "entities": [{"kind": "animal", "text": "Mr. Brown"}]}),
    "no_completion": Answer(body=b"<html>busy</html>"),
    "busy": Answer(status=429),
    "broken": Answer(status=500),
}


@pytest.mark.parametrize("kind", OWN)
async def test_where_it_goes_on_failing_the_services_own_stands(
    model: ScriptedModel, pauses: list[float], kind: str
) -> None:
    model.otherwise = lambda _: OWN[kind]
    analysis = await analyzed(model, pauses)
    own = await Analyst().analyze(transcript_of(CALL), ALL)
    assert analysis.failure.startswith("The language model could not be used: it")
    assert replace(analysis, failure="") == own
    assert len(model.asked) == 4
    assert pauses == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=401),
        Answer(status=404),
        Answer(status=307, headers={"Location": "http://127.0.0.1:1/"}),
        Answer(GOOD, finish_reason="length"),
        Answer({"points": ["x"], "topics": []}),
        Answer({"points": [], "topics": [], "entities": []}),
        Answer(body=b" " * (MAX_ANSWER_BYTES + 1)),
    ],
)
async def test_what_another_attempt_would_not_mend_is_not_tried_again(
    model: ScriptedModel, pauses: list[float], answer: Answer
) -> None:
    model.otherwise = lambda _: answer
    analysis = await analyzed(model, pauses)
    assert analysis.failure
    assert analysis.summary is not None
    assert analysis.summary.made_by is Maker.EMBEDDED
    assert len(model.asked) == 1


async def test_one_that_does_not_answer_is_given_up(model: ScriptedModel, pauses: list[float]) -> None:
    model.answers = [None] * 4
    analysis = await analyzed(model, pauses, timeout_s=0.05)
    assert analysis.failure == "The language model could not be used: it did not answer in time, 4 times in a row."


async def test_one_that_is_not_there_is_given_up(model: ScriptedModel, pauses: list[float]) -> None:
    model.url = "http://127.0.0.1:9/v1"
    assert "it cannot be reached (ConnectError)" in (await analyzed(model, pauses)).failure


async def test_a_long_talk_is_read_in_parts_and_their_summaries_are_joined(
    model: ScriptedModel, pauses: list[float]
) -> None:
    def answer(text: str) -> Answer:
        if text.startswith("- "):
            return Answer({"points": [f"joined of {len(text.splitlines())}"]})
        first = text.partition("number ")[2].partition(" ")[0]
        return Answer({"points": [f"part from {first}"], "topics": ["Talk", f"from {first}"], "entities": []})

    model.otherwise = answer
    analysis = await analyzed(model, pauses, transcript_of(LONG), max_input_chars=2_000)
    parts = [text for text in model.texts if not text.startswith("- ")]
    assert len(parts) > 5
    assert max(map(len, model.texts)) <= 2_000
    # Nothing is left out, and nothing is read twice.
    said = " ".join(parts).split()
    assert [word for word in said if word.isdigit()] == [str(number) for number in range(400)]
    assert analysis.failure == ""
    assert analysis.summary is not None
    assert [point.text for point in analysis.summary.points] == [f"joined of {len(parts)}"]
    assert analysis.analytics is not None
    assert analysis.analytics.topics[0].label == "Talk"
    assert model.most_at_once <= 2


async def test_summaries_that_are_too_many_are_joined_in_rounds_and_given_up_where_they_do_not_shrink(
    model: ScriptedModel, pauses: list[float]
) -> None:
    summary = RecognitionConfig(summary=ALL.summary)
    model.otherwise = lambda _: Answer({"points": ["word " * 100, "more " * 100]})
    analysis = await analyzed(model, pauses, transcript_of(LONG[:60]), summary, max_input_chars=1_000)
    assert "could not be joined" in analysis.failure
    model.otherwise = lambda text: Answer({"points": ["short" if text.startswith("- ") else "word " * 100]})
    analysis = await analyzed(model, pauses, transcript_of(LONG[:60]), summary, max_input_chars=1_000)
    assert analysis.summary is not None
    assert [point.text for point in analysis.summary.points] == ["short"]


async def test_one_part_that_fails_ends_the_reading(model: ScriptedModel, pauses: list[float]) -> None:
    model.answers = [Answer(GOOD), Answer(status=400)]
    model.otherwise = lambda _: Answer(GOOD)
    analysis = await analyzed(model, pauses, transcript_of(LONG), max_input_chars=1_000, max_requests=1)
    assert analysis.failure == "The language model could not be used: it answered 400."
    assert len(model.asked) == 2


async def test_nothing_said_is_not_asked_about(model: ScriptedModel, pauses: list[float]) -> None:
    analysis = await analyzed(model, pauses, transcript_of([], duration_ms=1_000))
    assert (analysis.failure, model.asked) == ("", [])


async def test_neither_the_key_nor_what_was_said_is_logged(
    model: ScriptedModel, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    model.otherwise = lambda _: Answer("Mr. Brown said 48213")
    with structlog.testing.capture_logs() as logged:
        analysis = await analyzed(model, pauses)
    told = f"{logged} {caplog.text} {analysis.failure}"
    assert "language_model_failed" in told
    assert API_KEY not in told
    assert "Brown" not in told
    assert "48213" not in told
    assert API_KEY not in repr(ChatOptions("http://h", "m", API_KEY))


async def test_who_is_cancelled_stops_asking(model: ScriptedModel, pauses: list[float]) -> None:
    model.answers = [None]
    running = asyncio.create_task(analyzed(model, pauses))
    async with asyncio.timeout(30):
        await model.was_asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(model.asked) == 1
