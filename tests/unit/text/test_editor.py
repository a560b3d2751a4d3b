"""The steps together: their order, and what they can't do."""

from __future__ import annotations

import pytest

from batchscribe_server import text
from batchscribe_server.domain.recognition import (
    Decoding,
    ProfanityFilter,
    RecognitionConfig,
    Redaction,
    RedactionCategory,
    Replacement,
    Task,
)
from tests.edited_segments import edited, said, words_of

ALL = RecognitionConfig(
    disfluency_removal=True,
    smart_formatting=True,
    replacements=(Replacement("my code", "4711"), Replacement("fiddlesticks", "shit"), Replacement("25", "XXV")),
    profanity_filter=ProfanityFilter.MASK,
    redaction=Redaction(),
)


def test_nothing_is_done_where_nothing_is_asked_for() -> None:
    assert text.editor(RecognitionConfig(word_time_offsets=True)) is None


@pytest.mark.parametrize(
    ("redaction", "remembers"),
    [
        (None, False),
        (Redaction((RedactionCategory.EMAIL_ADDRESSES,)), False),
        (Redaction(), True),
        (Redaction((RedactionCategory.EMAIL_ADDRESSES, RedactionCategory.CARD_NUMBERS)), True),
    ],
)
def test_only_redaction_of_numbers_remembers_what_was_before(redaction: Redaction | None, remembers: bool) -> None:
    editor = text.editor(RecognitionConfig(disfluency_removal=True, redaction=redaction))
    assert editor is not None
    assert editor.remembers == remembers


def test_suppressed_phrases_are_gone_before_any_other_step() -> None:
    config = RecognitionConfig(
        decoding=Decoding(suppressed_phrases=("thanks for  watching",)),
        replacements=(Replacement("well", "Thanks for"),),
    )
    after = edited(said("Well watching. Thanks for watching! It was thanks for watchingly."), config)
    assert after.text == words_of(after) == "Thanks for watching. It was thanks for watchingly."
    assert edited(said("Thanks for watching."), config).text == ""


def test_each_step_sees_what_those_before_it_have_made() -> None:
    after = edited(said("Um, twenty, uh, five times: fiddlesticks, my code is five hundred and six."), ALL)
    assert after.text == "XXV times: s***, XXXX is XXX."
    assert words_of(after) == after.text


def test_a_segment_of_fillers_is_empty() -> None:
    after = edited(said("Um."), ALL)
    assert (after.text, after.words) == ("", ())


def test_what_a_language_is_not_known_for_is_named() -> None:
    fields = [gap.field for gap in text.gaps(ALL, "xx")]
    assert fields == ["disfluency_removal", "smart_formatting", "profanity_filter", "redaction"]
    assert [gap.field for gap in text.gaps(ALL, "xx") if not gap.in_vain] == ["redaction"]
    assert not list(text.gaps(ALL, "en"))
    only_addresses = RecognitionConfig(redaction=Redaction((RedactionCategory.EMAIL_ADDRESSES,)))
    assert not list(text.gaps(only_addresses, "xx"))
    assert not list(text.gaps(RecognitionConfig(smart_formatting=True, task=Task.TRANSLATE), "xx"))
    assert not list(text.gaps(RecognitionConfig(replacements=ALL.replacements), "xx"))
