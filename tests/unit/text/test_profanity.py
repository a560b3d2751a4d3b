"""Profane words are masked or left out."""

from __future__ import annotations

import pytest

from batchscribe_server.domain.recognition import ProfanityFilter, RecognitionConfig
from tests.edited_segments import edited, said, words_of


@pytest.mark.parametrize(
    ("language", "heard", "masked", "removed"),
    [
        ("en", "What the fuck, this is bullshit!", "What the f***, this is b*******!", "What the, this is!"),
        ("en", "Fucking piece of shit. Go.", "F****** p**** o* s***. Go.", "Go."),
        ("de", "So eine Scheiße", "So eine S******", "So eine"),
        ("ru", "это хуй", "это х**", "это"),  # noqa: RUF001
    ],
)
def test_profane_words_are_masked_or_left_out(language: str, heard: str, masked: str, removed: str) -> None:
    for filter, left in ((ProfanityFilter.MASK, masked), (ProfanityFilter.REMOVE, removed)):
        after = edited(said(heard, language), RecognitionConfig(profanity_filter=filter))
        assert (after.text, words_of(after)) == (left, left)


@pytest.mark.parametrize(
    "heard",
    [
        "Spicy butter and cumin, Mr Dickens.",
        "sex education, a penis exam, the suspect was raped",
        "Scunthorpe's cockpit",
    ],
)
def test_what_is_said_without_swearing_stays(heard: str) -> None:
    assert edited(said(heard), RecognitionConfig(profanity_filter=ProfanityFilter.MASK)).text == heard


def test_words_without_spaces_between_are_found_within_the_text() -> None:
    after = edited(said("你是傻逼吗", "zh"), RecognitionConfig(profanity_filter=ProfanityFilter.MASK))
    assert after.text == "你是傻*吗"
