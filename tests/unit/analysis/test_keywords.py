"""Keywords are what was said often and tells something; topics are keywords said close to one another."""

from __future__ import annotations

from batchscribe_server.analysis.keywords import keywords_of
from batchscribe_server.analysis.topics import topics_of
from batchscribe_server.analysis.words import content_runs, knows_stop_words
from batchscribe_server.domain.analysis import Keyword


def runs(*sentences: str) -> list[list[list[str]]]:
    return [content_runs(sentence, "en") for sentence in sentences]


def test_stop_words_figures_and_marks_divide_runs_and_addresses_are_no_words() -> None:
    said = "The delivery fee, 42 parcels and jane.doe@example.com of www.shop.com; uh, don't XXXX it/them!"
    assert content_runs(said, "en") == [["delivery", "fee"], ["parcels"]]


def test_what_is_hidden_is_no_word_and_a_letter_x_is() -> None:
    assert content_runs("XXX-X parcels, X-X-X fees, Exxon, an X-ray, mail xxxx", "en") == [
        ["parcels"],
        ["fees"],
        ["Exxon"],
        ["X-ray"],
        ["mail"],
    ]


def test_a_phrase_said_again_weighs_most_and_its_parts_only_what_they_are_said_besides() -> None:
    keywords = keywords_of(runs("The delivery fee is high.", "A delivery fee again?", "Delivery fee! The fee."), 10)
    assert [(keyword.text, keyword.count) for keyword in keywords] == [("delivery fee", 3)]
    assert keywords[0].weight == 1.0


def test_what_was_said_once_fills_up_a_short_list_alone() -> None:
    once = runs("Giraffes.", "Elephants.", "Zebras.", "Lions.", "Tigers.", "Bears.")
    assert len(keywords_of(once, 20)) == 5
    again = runs(*(f"{word}. {word}." for word in ("Giraffes", "Elephants", "Zebras", "Lions", "Tigers", "Bears")))
    assert len(keywords_of([*again, *runs("Wolves.")], 20)) == 6
    assert keywords_of([], 20) == ()


def test_a_keyword_is_spelt_as_it_was_most_often() -> None:
    keywords = keywords_of(runs("Refunds take time.", "We like refunds.", "PARIS and Paris and Paris."), 2)
    assert {keyword.text for keyword in keywords} == {"Paris", "refunds"}


def test_topics_are_keywords_of_the_same_minutes() -> None:
    keywords = [Keyword(text, 2, 1.0) for text in ("refund", "delivery", "weather")] + [Keyword("once", 1, 0.1)]
    said = [(0, "refund delivery"), (61_000, "delivery refund once"), (600_000, "weather weather")]
    topics = topics_of(keywords, [(start_ms, content_runs(text, "xx")) for start_ms, text in said])
    assert [(topic.label, topic.keywords) for topic in topics] == [
        ("refund", ("refund", "delivery")),
        ("weather", ("weather",)),
    ]


def test_languages_without_spaces_or_without_a_list_have_no_keywords() -> None:
    assert knows_stop_words("de")
    assert not knows_stop_words("ja")
    assert not knows_stop_words("yi")
