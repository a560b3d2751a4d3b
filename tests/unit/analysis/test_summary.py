"""Summaries hold sentences that were said, as many as asked for, in their order."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.analysis.ranking import MAX_RANKED, most_central
from batchscribe_server.analysis.sentences import Sentence, sentences_of, turns_of
from batchscribe_server.analysis.summary import SENTENCES, summary_of
from batchscribe_server.domain.recognition import SummaryConfig, SummaryLength, SummaryStyle
from batchscribe_server.domain.transcript import Transcript
from tests.conversations import CALL, Said, one_after_another, transcript_of

BULLETS = SummaryConfig(SummaryStyle.BULLETS)


def sentences(transcript: Transcript) -> list[Sentence]:
    return [sentence for turn in turns_of(transcript) for sentence in sentences_of(turn)]


def long_talk(count: int) -> list[Said]:
    chance = random.Random(7)
    words = [f"thing{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(200)]
    return one_after_another(*(("", " ".join(chance.choices(words, k=8)).capitalize() + ".") for _ in range(count)))


def test_sentences_are_cut_at_their_ends_and_not_at_abbreviations() -> None:
    said = sentences(transcript_of(CALL[:2]))
    assert [(sentence.text, sentence.party, sentence.start_ms) for sentence in said] == [
        ("Hello, this is Mr. Brown from Northwind support.", "Agent", 0),
        ("How can I help you?", "Agent", 0),
        ("My delivery was due on Monday and it has not arrived.", "Customer", 4_500),
        ("I am really upset about this terrible service.", "Customer", 4_500),
    ]


def test_a_sentence_goes_on_over_segments_and_a_long_one_without_marks_ends_with_one() -> None:
    said = sentences(transcript_of([("", "He went", 0, 900), ("", "home. She  stayed.", 1_000, 2_000)]))
    assert [(sentence.text, sentence.start_ms) for sentence in said] == [("He went home.", 0), ("She stayed.", 1_000)]
    endless = [("", "word " * 30, 1_000 * number, 1_000 * number + 900) for number in range(10)]
    assert len(sentences(transcript_of(endless))) == 10


@pytest.mark.parametrize("style", SummaryStyle)
@pytest.mark.parametrize("length", SummaryLength)
def test_a_summary_of_a_call_holds_what_was_said_and_who_said_it(style: SummaryStyle, length: SummaryLength) -> None:
    transcript = transcript_of(CALL)
    summary = summary_of(sentences(transcript), SummaryConfig(style, length))
    said = {party: " ".join(text for other, text, *_ in CALL if other == party) for party in ("Agent", "Customer")}
    assert summary.points
    starts = []
    for point in summary.points:
        assert point.start_ms is not None
        starts.append(point.start_ms)
        for sentence in point.text.split(". "):
            assert sentence.rstrip(".") in said[point.party]
    assert starts == sorted(starts)


@pytest.mark.parametrize("length", SummaryLength)
def test_a_long_talk_has_as_many_points_as_its_length_says(length: SummaryLength) -> None:
    told = sentences(transcript_of(long_talk(900)))
    summary = summary_of(told, SummaryConfig(SummaryStyle.BULLETS, length))
    assert len(summary.points) == SENTENCES[length]
    assert {point.text for point in summary.points} <= {sentence.text for sentence in told}
    assert summary == summary_of(told, SummaryConfig(SummaryStyle.BULLETS, length))


def test_paragraphs_change_with_who_speaks() -> None:
    summary = summary_of(sentences(transcript_of(CALL)), SummaryConfig(SummaryStyle.PARAGRAPHS, SummaryLength.LONG))
    parties = [point.party for point in summary.points]
    assert all(before != after for before, after in pairwise(parties))


def test_a_summary_of_little_is_short_and_of_nothing_empty() -> None:
    assert summary_of([], BULLETS).points == ()
    little = summary_of(sentences(transcript_of([("", "Hello. Nice weather.", 0, 1_000)])), BULLETS)
    assert [point.text for point in little.points] == ["Nice weather."]


def test_other_scripts_are_summed_up_too() -> None:
    said = one_after_another(
        *(("", text) for text in ("我们今天讨论预算。", "预算比去年高很多。", "天气很好。", "预算明天决定。"))
    )
    points = summary_of(sentences(transcript_of(said, language="zh")), BULLETS).points
    assert len(points) == 2
    assert all("预算" in point.text for point in points)


def test_the_central_sentence_is_the_one_that_others_are_like() -> None:
    told = [["budget", "rises", "today"], ["weather", "nice"], ["budget", "rises"], ["rises", "today"]]
    assert most_central(told, 1, max_likeness=1.0) == [0]
    assert most_central([["same", "words"]] * 3 + [["else"]], 4, max_likeness=0.6) == [0, 3]


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4), max_size=3 * MAX_RANKED // 2))
def test_what_is_chosen_is_there_once_and_in_order(told: list[list[str]]) -> None:
    chosen = most_central(told, 5, max_likeness=0.9)
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= 5
    assert all(0 <= index < len(told) for index in chosen)
    assert bool(chosen) == bool(told)
