"""What is hidden is hidden in text and words, in every format and channel, and across segments."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import assert_never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server import rendering, text
from batchscribe_server.analysis.analyst import Analyst
from batchscribe_server.domain.recognition import (
    RecognitionConfig,
    Redaction,
    RedactionCategory,
    SubtitleConfig,
    SummaryConfig,
    SummaryStyle,
    TranscriptFormat,
)
from batchscribe_server.domain.transcript import MediaDescription, Segment, Transcript, Word
from tests.edited_segments import edited, said, words_of

NUMBERS, CARDS = RedactionCategory.NUMBERS, RedactionCategory.CARD_NUMBERS
PHONES, ADDRESSES = RedactionCategory.PHONE_NUMBERS, RedactionCategory.EMAIL_ADDRESSES
WORDS_BY_DIGITS = {
    1: "zero one two three four five six seven eight nine",
    2: "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty "
    "sixty seventy eighty ninety",
    3: "hundred",
    4: "thousand",
}
DIGITS_OF_WORDS = {word: digits for digits, words in WORDS_BY_DIGITS.items() for word in words.split()}


def redacting(*categories: RedactionCategory) -> RecognitionConfig:
    return RecognitionConfig(redaction=Redaction(categories), word_time_offsets=True)


def redacted(heard: Sequence[Segment], *categories: RedactionCategory) -> list[Segment]:
    """The segments of one file."""
    editor = text.editor(redacting(*categories))
    assert editor is not None
    return [editor.edit(segment) for segment in heard]


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        ("Card 4111 1111 1111 1111, ok? Room 12.", "Card XXXX XXXX XXXX XXXX, ok? Room 12."),
        ("It is (555) 123-4567.", "It is (XXX) XXX-XXXX."),
        ("four one one one, um, one one", "X X X X, um, X X"),
        ("In 2024 we had 25 people.", "In XXXX we had 25 people."),
        ("twenty-five thousand dollars or $1,200.50", "XXX-X X dollars or $X,XXX.XX"),
        ("one hundred and twenty, a thousand", "X X X X, a XXXX"),
        ("double five six, double 5 6", "X X X, X X X"),
        ("triple five, triple 5", "XX X, XX X"),
        ("oh five oh", "X X X"),
        ("2 million people", "X XXXXXXX people"),
        ("at 14:30 on 5/1/24", "at XX:XX on X/X/XX"),
        ("one of the two, an X-ray, in room 12", "one of the two, an X-ray, in room 12"),
        ("٤١١١", "XXXX"),
    ],
)
def test_numbers_of_three_digits_and_more_are_masked(heard: str, left: str) -> None:
    after = edited(said(heard), redacting())
    assert (after.text, words_of(after)) == (left, left)
    assert [word.start_ms for word in after.words] == [word.start_ms for word in said(heard).words]


@pytest.mark.parametrize(
    ("language", "heard", "left"),
    [
        ("de", "vier eins eins eins und zwölf", "X X X X und XX"),
        ("fr", "zéro six, douze", "X X, XX"),
        ("ja", "四一一一です", "XXXXです"),
        ("xx", "one two three 4111", "one two three XXXX"),
    ],
)
def test_numbers_in_words_are_found_in_the_languages_that_are_known(language: str, heard: str, left: str) -> None:
    assert edited(said(heard, language), redacting()).text == left


@pytest.mark.parametrize(
    ("category", "left"),
    [
        (NUMBERS, "In XXXX call XXX-XXXX, card XXXX XXXX XXXX XXXX is ok"),
        (PHONES, "In 2024 call XXX-XXXX, card XXXX XXXX XXXX XXXX is ok"),
        (CARDS, "In 2024 call 555-1234, card XXXX XXXX XXXX XXXX is ok"),
        (ADDRESSES, "In 2024 call 555-1234, card 4111 1111 1111 1111 is ok"),
    ],
)
def test_categories_differ_by_the_number_of_digits(category: RedactionCategory, left: str) -> None:
    assert edited(said("In 2024 call 555-1234, card 4111 1111 1111 1111 is ok"), redacting(category)).text == left


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        ("mail john.smith+x@example.co.uk, please", "mail xxxx, please"),
        ("mail john dot smith at gmail dot com now", "mail xxxx now"),
        ("it is j o h n 8 4 at example dot com", "it is xxxx"),
        ("john at gmail", "xxxx"),
        ("look at that. Fine, at school", "look at that. Fine, at school"),
    ],
)
def test_addresses_are_masked_written_or_told(heard: str, left: str) -> None:
    after = edited(said(heard), redacting(ADDRESSES))
    assert (after.text, words_of(after)) == (left, left)


def test_a_number_whose_words_are_written_without_a_space_is_masked_in_them() -> None:
    words = tuple(Word(part, 100 * k, 100 * k + 90, 0.5) for k, part in enumerate(["It's", "41", "11."]))
    after = edited(Segment(0, 0, 300, "It's 4111.", "en", words=words), redacting())
    assert (after.text, words_of(after)) == ("It's XXXX.", "It's XXXX.")


def test_an_address_hides_its_digits_only_once() -> None:
    assert edited(said("john1234@example.com 12"), redacting(ADDRESSES, NUMBERS)).text == "xxxx 12"


@pytest.mark.parametrize(
    ("categories", "heard", "left"),
    [
        ((), ["My card is 41", "11, uh", "okay", "11 and then 5 dogs", "5 cats"],
         ["My card is 41", "XX, uh", "okay", "XX and then X dogs", "5 cats"]),
        ((CARDS,), ["It is 4111 1111", "1111 1111", "and 2024 was good"],
         ["It is XXXX XXXX", "XXXX XXXX", "and XXXX was good"]),
        ((PHONES,), ["five five five", "one two three four. Yes"], ["X X X", "X X X X. Yes"]),
        ((CARDS,), ["It is 2024 here", "1111 is all"], ["It is 2024 here", "1111 is all"]),
        ((CARDS,), ["forty-one eleven eleven eleven eleven", "eleven eleven eleven, thanks"],
         ["X-X XX XX XX XX", "XX XX XX, thanks"]),
        ((PHONES,), ["twenty twenty", "twelve eleven now"], ["XX XX", "XX XX now"]),
        ((NUMBERS,), ["a thousand", "5 then"], ["a XXXX", "X then"]),
        ((NUMBERS,), ["it is AB12345", "67, thanks"], ["it is ABXXXXX", "XX, thanks"]),
        ((NUMBERS,), ["I live in Austin, TX.", "20 of us came."], ["I live in Austin, TX.", "20 of us came."]),
        ((NUMBERS,), ["ROOM SIX", "5 IS FREE"], ["ROOM SIX", "5 IS FREE"]),
        ((ADDRESSES, NUMBERS), ["mail joe@example.com", "Two days later"], ["mail xxxx", "Two days later"]),
        ((ADDRESSES,), ["it is 41111", "11, joe@example.com"], ["it is 41111", "11, xxxx"]),
    ],
)  # fmt: skip
def test_a_number_that_a_pause_cuts_is_hidden(
    categories: tuple[RedactionCategory, ...], heard: list[str], left: list[str]
) -> None:
    after = redacted([said(words, index=index) for index, words in enumerate(heard)], *categories)
    assert [segment.text for segment in after] == left


def test_what_is_said_in_another_channel_neither_ends_nor_lengthens_a_number() -> None:
    heard = [said("it is 41", channel=0), said("room 5", channel=1), said("11", channel=0), said("6", channel=1)]
    assert [segment.text for segment in redacted(heard)] == ["it is 41", "room 5", "XX", "6"]


number_words = st.one_of([st.sampled_from(words.split()) for words in WORDS_BY_DIGITS.values()])
pieces_of_numbers = st.one_of(
    st.text("0123456789", min_size=1, max_size=9),
    st.lists(number_words, min_size=1, max_size=9).map(" ".join),
)
separators = st.sampled_from([" ", ", ", "-", ". ", " - ", "/", ", um, ", " and "])


@st.composite
def dictated(draw: st.DrawFn) -> list[str]:
    """The segments in which somebody dictates a number of three digits and more, each with three at least."""
    segments = []
    for _ in range(draw(st.integers(1, 4))):
        told = "".join(piece + draw(separators) for piece in draw(st.lists(pieces_of_numbers, min_size=3, max_size=5)))
        segments.append(draw(st.sampled_from(["", "It is: ", "Okay. "])) + told)
    return segments


@given(dictated(), st.booleans())
def test_no_digit_is_left_in_any_format_of_any_channel(heard: list[str], formatted: bool) -> None:
    config = replace(
        redacting(),
        smart_formatting=formatted,
        disfluency_removal=formatted,
        enable_entities=True,
        speech_analytics=True,
        summary=SummaryConfig(SummaryStyle.BULLETS),
    )
    editor = text.editor(config)
    assert editor is not None
    segments = [editor.edit(said(words, channel=0, index=index)) for index, words in enumerate(heard)]
    transcript = Transcript(
        "jobs/a",
        "file:///a.wav",
        "",
        "base",
        "transcribe",
        None,
        MediaDescription(same_sound_as=(0, 0)),
        0,
        "",
        segments,
    )
    transcript = replace(transcript, analysis=asyncio.run(Analyst().analyze(transcript, config)))
    for shown in (transcript, transcript.of_channel(0), transcript.of_channel(1)):
        for format in TranscriptFormat:
            pieces = rendering.render(shown, format, config, SubtitleConfig())
            assert not told_digits(said_in(b"".join(pieces).decode(), format))
    assert not told_digits(words_of(segment) for segment in segments)


@given(
    st.sampled_from([(NUMBERS, 3), (PHONES, 7), (CARDS, 13)]),
    st.lists(st.lists(number_words, min_size=1, max_size=6), min_size=1, max_size=4),
    st.sampled_from([", ", ". ", ", um, ", "; and, "]),
)
def test_digits_count_together_across_pauses_however_they_are_told(
    category: tuple[RedactionCategory, int], told: list[list[str]], between: str
) -> None:
    """Each word is a number of its own. The last segment goes on with other words, so that its end is no open one."""
    hidden, fewest = category
    heard = [between.join(words) for words in told]
    heard[-1] += ", thanks"
    after = redacted([said(words, index=index) for index, words in enumerate(heard)], hidden)
    digits = 0
    for number, (words, segment) in enumerate(zip(told, after, strict=True), start=1):
        digits += sum(DIGITS_OF_WORDS[word] for word in words)
        if digits >= (fewest if number == len(told) else 3):
            assert not told_digits([segment.text])


def told_digits(texts: Iterable[str]) -> list[str]:
    return [found for said in texts for found in re.findall(r"\d|\b(?:" + "|".join(DIGITS_OF_WORDS) + r")\b", said)]


def said_in(document: str, format: TranscriptFormat) -> list[str]:
    """What people say in a document, without times and numbers of its own."""
    match format:
        case TranscriptFormat.TEXT | TranscriptFormat.SUMMARY:
            return [without_party(line) for line in document.splitlines()]
        case TranscriptFormat.SRT | TranscriptFormat.VTT:
            cues = [cue.splitlines() for cue in document.split("\n\n") if " --> " in cue]
            return [without_party(line) for cue in cues for line in cue[2:]]
        case TranscriptFormat.TSV:
            return [line.split("\t")[2] for line in document.splitlines()[1:]]
        case TranscriptFormat.JSON:
            shown = json.loads(document)
            return [without_party(told) for told in texts_in({**shown, "job": "", "channels": []})]
        case TranscriptFormat.JSON_V2:
            results = json.loads(document)["results"]
            return [alternative["content"] for result in results for alternative in result["alternatives"]]
        case TranscriptFormat.IBM_JSON:
            results = json.loads(document)["results"]
            told = [alternative for result in results for alternative in result["alternatives"]]
            words = [word[0] for alternative in told for word in alternative["timestamps"]]
            return [*(alternative["transcript"] for alternative in told), *words]
        case _:
            assert_never(format)


def texts_in(value: object) -> Iterator[str]:
    """All strings of a document in which nothing but what is said, and who says it, has digits."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from texts_in(part) if key not in ("schema", "media") else ()
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)


def without_party(line: str) -> str:
    return re.sub(r"^(?:- )?(<v Channel \d>|Channel \d: |Channel \d$)", "", line)


@given(dictated(), st.integers(0, 4))
def test_a_run_that_goes_on_redacts_as_one_that_was_never_cut_off(heard: list[str], at: int) -> None:
    segments = [said(words, index=index) for index, words in enumerate(heard)]
    whole = redacted(segments)
    editor = text.editor(redacting())
    assert editor is not None
    for stored in whole[:at]:
        editor.recall(stored)
    assert [editor.edit(segment) for segment in segments[at:]] == whole[at:]
