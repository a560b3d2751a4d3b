"""The service's own analysis as a whole: what is asked for, in which languages, and nothing of what is hidden."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.analysis.embedded import analysis_of
from batchscribe_server.domain.analysis import sentiment_label
from batchscribe_server.domain.recognition import RecognitionConfig, SummaryConfig, SummaryLength, SummaryStyle
from batchscribe_server.rendering.analysis_document import analysis_document
from tests.conversations import CALL, one_after_another, transcript_of

ALL = RecognitionConfig(
    enable_entities=True, speech_analytics=True, summary=SummaryConfig(SummaryStyle.BULLETS, SummaryLength.LONG)
)


def test_only_what_is_asked_for_is_there() -> None:
    call = transcript_of(CALL)
    assert analysis_document(analysis_of(call, RecognitionConfig())) == {}
    assert set(analysis_document(analysis_of(call, RecognitionConfig(enable_entities=True)))) == {"entities"}
    assert set(analysis_document(analysis_of(call, ALL))) == {"entities", "analytics", "summary"}


def test_sentiments_have_the_sign_of_what_was_said() -> None:
    analytics = analysis_of(transcript_of(CALL), ALL).analytics
    assert analytics is not None
    assert analytics.turns[1].party == "Customer"
    assert sentiment_label(analytics.turns[1].score) == "negative"  # upset about this terrible service
    assert sentiment_label(analytics.turns[5].score) == "positive"  # wonderful, thank you so much
    assert sentiment_label(analytics.turns[6].score) == "neutral"
    assert analytics.sentiment is not None
    assert all(party.sentiment is not None for party in analytics.parties)


def test_the_shares_and_keywords_of_parties_are_theirs() -> None:
    analytics = analysis_of(transcript_of(CALL, duration_ms=40_000), ALL).analytics
    assert analytics is not None
    agent, customer = analytics.parties
    assert (agent.party, customer.party) == ("Agent", "Customer")
    assert agent.share == pytest.approx(4 / 7, abs=0.001)
    assert analytics.silence_ms == 40_000 - 28_000
    assert "refund" in {keyword.text for keyword in agent.keywords}
    assert "refund" not in {keyword.text for keyword in customer.keywords}
    assert analytics.keywords[0].text == "delivery"
    assert analytics.topics[0].label == "delivery"


def test_what_lies_before_the_start_offset_is_no_silence() -> None:
    late = [(party, text, start_ms + 60_000, end_ms + 60_000) for party, text, start_ms, end_ms in CALL]
    analysis = analysis_of(transcript_of(late, duration_ms=100_000), replace(ALL, start_offset_ms=50_000))
    assert analysis.analytics is not None
    assert analysis.analytics.silence_ms == 50_000 - 28_000


@pytest.mark.parametrize(("language", "keywords", "left_out"), [("de", True, 1), ("ja", False, 2), ("en", True, 0)])
def test_what_can_not_be_told_of_a_language_is_left_out_and_said(language: str, keywords: bool, left_out: int) -> None:
    analysis = analysis_of(
        transcript_of(one_after_another(("A", "Vertrag gut."), ("B", "Vertrag?")), language=language), ALL
    )
    assert analysis.analytics is not None
    assert (analysis.analytics.sentiment is None) == (language != "en")
    assert bool(analysis.analytics.turns) == (language == "en")
    assert bool(analysis.analytics.keywords) == keywords
    assert len(analysis.left_out) == left_out
    assert all(language in words for words in analysis.left_out)


def test_a_translation_is_english() -> None:
    translated = replace(transcript_of(one_after_another(("A", "This is wonderful.")), language="de"), task="translate")
    analysis = analysis_of(translated, ALL)
    assert analysis.left_out == ()
    assert analysis.analytics is not None
    assert analysis.analytics.sentiment is not None


def test_nothing_said_is_an_analysis_too() -> None:
    analysis = analysis_of(transcript_of([], duration_ms=5_000), ALL)
    assert analysis.entities == ()
    assert analysis.analytics is not None
    assert (analysis.analytics.silence_ms, analysis.analytics.parties) == (5_000, ())
    assert analysis.summary is not None
    assert analysis.summary.points == ()


LETTERS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwyz0123456789@.-:/$%' "), max_size=40)


@given(st.lists(st.tuples(st.sampled_from("AB"), LETTERS), max_size=6), st.integers(4, 16))
def test_what_was_redacted_is_nowhere_in_an_analysis(lines: list[tuple[str, str]], digits: int) -> None:
    """All an analysis has is the redacted text: it tells no word that is not there, and takes no mask for one."""
    mask = "X" * digits
    redacted = one_after_another(
        *((party, f"My card is {mask}. {text} {mask}, please pay {text}.") for party, text in lines)
    )
    document = analysis_document(analysis_of(transcript_of(redacted), ALL))
    analytics = document["analytics"]
    assert isinstance(analytics, dict)
    words = [keyword["text"] for keyword in analytics["keywords"]]
    words += [keyword["text"] for party in analytics["parties"] for keyword in party["keywords"]]
    words += [keyword for topic in analytics["topics"] for keyword in topic["keywords"]]
    assert isinstance(document["entities"], list)
    entities = [entity["text"] for entity in document["entities"]]
    assert "XX" not in json.dumps([words, entities])
    said = " ".join(text for _, text, *_ in redacted)
    for told in entities:
        assert told in said
    for word in " ".join(words).split():
        assert word.lower() in said.lower()
    assert isinstance(document["summary"], dict)
    for point in document["summary"]["points"]:
        assert point["text"] in " ".join(said.split())
