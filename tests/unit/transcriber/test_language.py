"""The language of a file: one sure voice, or three that are weighed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.recognition import LanguageDetection, UnsureLanguage
from batchscribe_server.domain.transcript import DetectedLanguage
from batchscribe_server.transcriber.language import LanguageFinder


def finder(detection: LanguageDetection | None = None) -> LanguageFinder:
    return LanguageFinder("en", detection or LanguageDetection())


def test_a_sure_first_segment_decides():
    one = finder()
    one.vote([("de", 0.5), ("en", 0.2)], 4.0)

    assert one.decide(more=True) == DetectedLanguage("de", 0.5)


def test_an_unsure_first_segment_asks_for_two_more():
    one = finder()
    assert one.wanted == 1
    one.vote([("de", 0.49)], 4.0)

    assert one.decide(more=True) is None
    assert one.wanted == 3


def test_votes_weigh_by_length():
    one = finder()
    one.vote([("fr", 0.45), ("de", 0.4)], 1.0)
    one.vote([("de", 0.4), ("fr", 0.1)], 10.0)
    one.vote([("fr", 0.4)], 1.0)

    language = one.decide(more=True)
    assert language is not None
    assert language.code == "de"
    assert language.confidence == pytest.approx((0.4 + 4.0) / 12.0)


def test_an_unsure_short_file_gets_the_best_there_is():
    one = finder()
    one.vote([("de", 0.3), ("nl", 0.2)], 2.0)

    assert one.decide(more=False) == DetectedLanguage("de", 0.3)


def test_a_file_in_which_nothing_is_found_falls_back_without_confidence():
    one = finder()
    one.vote([], 2.0)

    assert one.decide(more=True) is None
    assert one.decide(more=False) == DetectedLanguage("en", 0.0)


def test_a_segment_without_candidates_does_not_dilute_the_others():
    one = finder()
    one.vote([], 20.0)
    one.vote([("de", 0.9)], 1.0)

    assert one.decide(more=True) == DetectedLanguage("de", 0.9)


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from(["en", "de", "fr"]), st.floats(0, 1)), max_size=3),
            st.floats(0.1, 30),
        ),
        min_size=3,
        max_size=3,
    )
)
def test_three_votes_always_decide(votes):
    one = finder()
    for candidates, length_s in votes:
        one.vote(candidates, length_s)

    language = one.decide(more=True)
    assert language is not None
    assert language.code in {"en", "de", "fr"}
    assert 0.0 <= language.confidence <= 1.0


def test_a_threshold_asks_more_segments_than_one_that_would_be_believed():
    one = finder(LanguageDetection(threshold=0.9))
    one.vote([("de", 0.8)], 4.0)

    assert one.decide(more=True) is None
    assert one.decide(more=False) == DetectedLanguage("de", 0.8)


def test_below_the_threshold_the_default_is_used():
    one = finder(LanguageDetection(threshold=0.9, unsure=UnsureLanguage.USE_DEFAULT, default="fr"))
    one.vote([("de", 0.8)], 4.0)

    assert one.decide(more=False) == DetectedLanguage("fr", 1.0)


def test_below_the_threshold_the_file_fails():
    one = finder(LanguageDetection(threshold=0.9, unsure=UnsureLanguage.FAIL))
    one.vote([("de", 0.8)], 4.0)

    with pytest.raises(JobFailure) as failed:
        one.decide(more=False)
    assert failed.value.reason is Reason.LANGUAGE_UNSURE
    assert "'de'" in failed.value.message


def test_silence_is_not_unsure():
    one = finder(LanguageDetection(threshold=0.9, unsure=UnsureLanguage.FAIL))
    one.vote([], 2.0)

    assert one.decide(more=False) == DetectedLanguage("en", 0.0)
