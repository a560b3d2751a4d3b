"""Where lines of cues end in the scripts of the world."""

# ruff: noqa: RUF001 - full-width marks are meant
from __future__ import annotations

import unicodedata

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from batchscribe_server.domain.recognition import SubtitleConfig
from batchscribe_server.domain.transcript import Segment, Word
from batchscribe_server.rendering.cues import Cue, Turn, cues_of
from batchscribe_server.rendering.written_words import written_words

_SAID = {
    "th": "ภาษาไทยเป็นภาษาที่มีระดับเสียงของคำแน่นอนหรือวรรณยุกต์เช่นเดียวกับภาษาจีน น้ำ ผู้ใหญ่ กี่",
    "lo": "ພາສາລາວເປັນພາສາຂອງຄົນລາວ ນ້ຳ ຜູ້ໃຫຍ່",
    "km": "ភាសាខ្មែរគឺជាភាសាកំណើតរបស់ជនជាតិខ្មែរ",
    "my": "မြန်မာဘာသာစကားသည်မြန်မာနိုင်ငံ၏ရုံးသုံးဘာသာစကားဖြစ်သည်",
    "bo": "བོད་སྐད་ནི་བོད་ཀྱི་སྐད་ཡིག་ཡིན།",
    "hi": "हिन्दी विश्व की एक प्रमुख भाषा है क्षत्रिय",
    "ar": "اللُّغَةُ العَرَبِيَّةُ هي لغة",
    "fa": "می‌خواهم به خانه بروم",
    "he": "שָׁלוֹם עוֹלָם מה שלומך",
    "zh": "今天天气很好，我们去公园散步吧。「明天」可能会下雨（真的）。",
    "ja": "がっこうへ行きました。「きょう」はとても、いいてんきです。か\u3099き\u3099ぐ\u3000げ",
    "ko": "안녕하세요 반갑습니다 한국어",
    "emoji": "👨‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ok",
    "fr": "« Oui\u00a0! » 50\u202f% e\u0301te\u0301 l'homme",
}
_NEVER_FIRST = frozenset("，。」）、ー々っょゃ！？")
_NEVER_LAST = frozenset("「（")


@st.composite
def spoken(draw: st.DrawFn) -> Segment:
    """Text of a script, untimed, or with words that a model cut anywhere between characters that are no marks."""
    language = draw(st.sampled_from(sorted(_SAID)))
    alphabet = regex.findall(r"\X", _SAID[language].replace(" ", ""))
    words = [
        "".join(draw(st.lists(st.sampled_from(alphabet), min_size=1, max_size=6)))
        for _ in range(draw(st.integers(1, 12)))
    ]
    spaced = draw(st.booleans())
    text = (" " if spaced else "").join(words)
    timed = [Word(word, 300 * k, 300 * k + 300, 0.9) for k, word in enumerate(words)]
    return Segment(0, 0, 300 * len(words), text, language, 0.9, tuple(timed) if draw(st.booleans()) else ())


def shown(segment: Segment, width: int) -> list[Cue]:
    return list(cues_of([[Turn([segment])]], SubtitleConfig(max_line_width=width), segment.end_ms + 10_000))


def without_spaces(text: str) -> str:
    return text.replace(" ", "")


@example(Segment(0, 0, 300, "ភាភាភាភាខ្មែ", "km", 0.9), 10)
@given(spoken(), st.integers(10, 42))
def test_no_line_begins_within_a_cluster_and_nothing_is_lost(segment: Segment, width: int) -> None:
    lines = [line for cue in shown(segment, width) for line in cue.lines]
    assert without_spaces("".join(lines)) == without_spaces(segment.text)
    clusters = regex.findall(r"\X", segment.text.replace(" ", ""))
    of_lines = [cluster for line in lines for cluster in regex.findall(r"\X", without_spaces(line))]
    assert of_lines == clusters
    for line in lines:
        assert not unicodedata.category(line[0]).startswith("M") or line[0] == segment.text[0]
        assert not (
            lines.index(line) and line[0] in _NEVER_FIRST and line[0] != segment.text[0] and " " not in segment.text
        )


@given(st.sampled_from(["th", "lo", "km", "zh", "ja"]), st.integers(1, 3), st.integers(10, 42), st.booleans())
def test_no_line_is_wider_than_allowed_in_scripts_without_spaces(
    language: str, times: int, width: int, timed: bool
) -> None:
    text = without_spaces(_SAID[language]) * times
    words = (Word(text, 0, 9000, 0.9),) if timed else ()
    segment = Segment(0, 0, 9000, text, language, 0.9, words)
    lines = [line for cue in shown(segment, width) for line in cue.lines]
    assert "".join(lines) == text
    assert max(map(len, lines)) <= width
    for line in lines[1:]:
        assert line[0] not in _NEVER_FIRST
    for line in lines[:-1]:
        assert line[-1] not in _NEVER_LAST


def test_a_word_that_is_broken_shares_its_time() -> None:
    text = "今天天气很好我们去公园散步吧"
    segment = Segment(0, 0, 14_000, text, "zh", 0.9, (Word(text, 0, 14_000, 0.9),))
    cues = list(cues_of([[Turn([segment])]], SubtitleConfig(max_line_width=10, max_lines=1), 20_000))
    assert len(cues) > 1
    said = 0
    for cue in cues:
        assert cue.start_ms == 1000 * said
        said += len(cue.lines[0])


@pytest.mark.parametrize("language", sorted(_SAID))
def test_spaces_of_other_kinds_stay_as_they_are(language: str) -> None:
    text = _SAID[language]
    timed = tuple(Word(word, 300 * k, 300 * k + 300, 0.9) for k, word in enumerate(text.split()))
    for segment in (Segment(0, 0, 9000, text, language), Segment(0, 0, 9000, text, language, 0.9, timed)):
        lines = "".join(line for cue in shown(segment, 200) for line in cue.lines)
        assert without_spaces(lines) == without_spaces(text)
        words = "".join(word.text for word in written_words(segment, " "))
        assert without_spaces(words) == without_spaces(text)
