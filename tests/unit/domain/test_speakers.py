"""Words and the speakers that turns give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.speakers import SpeakerTurn, in_order_of_appearance, with_speakers
from batchscribe_server.domain.transcript import Segment, Word
from batchscribe_server.domain.turns import in_turns

WORD_MS = 250


def segment(text: str, start_ms: int = 0, *, pauses_ms: Sequence[int] = (), channel: int | None = None) -> Segment:
    """A segment of words of 250 ms each, with these pauses before them."""
    words, time_ms = [], start_ms
    for number, word in enumerate(text.split()):
        time_ms += pauses_ms[number] if number < len(pauses_ms) else 0
        words.append(Word(word, time_ms, time_ms + WORD_MS, 0.9))
        time_ms += WORD_MS
    return Segment(0, words[0].start_ms, words[-1].end_ms, text, "en", 0.9, tuple(words), channel)


def speakers(segments: Sequence[Segment]) -> str:
    """The number of each word's speaker; a dash for nobody."""
    return "".join(word.speaker.removeprefix("Speaker ") or "-" for each in segments for word in each.words)


def test_words_are_of_whoever_speaks_meanwhile() -> None:
    said = segment("One two three. Four five six.", pauses_ms=[0, 0, 0, 600])
    turns = [SpeakerTurn(0, 800, 0), SpeakerTurn(1_300, 2_200, 1)]
    assert speakers(with_speakers([said], turns)) == "000111"


@pytest.mark.parametrize("late_ms", [-500, -250, 0, 250, 500])
def test_a_change_that_is_heard_early_or_late_is_put_between_the_sentences(late_ms: int) -> None:
    said = segment("One two three four five six. One two three four five six.")
    change_ms = 6 * WORD_MS + late_ms
    turns = [SpeakerTurn(0, change_ms, 0), SpeakerTurn(change_ms, 3_000, 1)]
    assert speakers(with_speakers([said], turns)) == "000000111111"


def test_a_single_word_within_a_sentence_is_not_torn_out_of_it() -> None:
    said = segment("One two three four five six seven.")
    turns = [SpeakerTurn(0, 750, 0), SpeakerTurn(750, 1_000, 1), SpeakerTurn(1_000, 1_750, 0)]
    assert speakers(with_speakers([said], turns)) == "0000000"


def test_a_short_answer_between_pauses_keeps_its_speaker() -> None:
    said = segment("One two three four. Yes. Five six seven.", pauses_ms=[0, 0, 0, 0, 500, 500])
    turns = [SpeakerTurn(0, 1_000, 0), SpeakerTurn(1_500, 1_750, 1), SpeakerTurn(2_250, 3_000, 0)]
    assert speakers(with_speakers([said], turns)) == "00001000"


def test_a_long_turn_within_what_was_written_as_one_sentence_is_kept() -> None:
    said = segment("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen")
    turns = [SpeakerTurn(0, 2_000, 0), SpeakerTurn(2_000, 4_000, 1)]
    assert speakers(with_speakers([said], turns)) == "0" * 8 + "1" * 8


def test_a_word_outside_all_turns_is_of_the_nearest_one_or_nobodys() -> None:
    said = segment("Near far.", pauses_ms=[0, 3_000])
    assert speakers(with_speakers([said], [SpeakerTurn(-2_000, -900, 0)])) == "0-"
    assert speakers(with_speakers([said], [])) == "--"


def test_channels_have_speakers_of_their_own() -> None:
    turns = in_order_of_appearance(
        [SpeakerTurn(5_000, 6_000, 0, channel=1), SpeakerTurn(0, 1_000, 0, channel=0), SpeakerTurn(2_000, 3_000, 1, 0)]
    )
    assert [(turn.start_ms, turn.speaker, turn.channel) for turn in turns] == [(0, 0, 0), (2_000, 1, 0), (5_000, 2, 1)]
    said = [segment("One two.", 0, channel=0), segment("Three.", 5_100, channel=1), segment("Four.", 5_100, channel=0)]
    assert speakers(with_speakers(said, turns)) == "002-"


def test_a_segment_without_words_is_of_whoever_speaks_most_of_it() -> None:
    whole = replace(segment("One two three four."), words=())
    turns = [SpeakerTurn(0, 200, 1), SpeakerTurn(200, 1_000, 0)]
    assert [each.speaker for each in with_speakers([whole], turns)] == ["Speaker 0"]


def test_turns_cut_segments() -> None:
    said = segment("Are you there? Yes, I am.", pauses_ms=[0, 0, 0, 300])
    turns = [SpeakerTurn(0, 750, 0), SpeakerTurn(1_050, 1_800, 1)]
    cut = in_turns(with_speakers([said], turns))
    assert [(part.speaker, part.text) for part in cut] == [("Speaker 0", "Are you there?"), ("Speaker 1", "Yes, I am.")]


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 700)), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 4_000), st.integers(0, 4)), max_size=12),
)
def test_every_word_stays_as_it_was_with_a_speaker_that_is_there(
    words: list[tuple[int, int]], turns: list[tuple[int, int, int]]
) -> None:
    timed, time_ms = [], 0
    for pause_ms, length_ms in words:
        timed.append(Word("word", time_ms + pause_ms, time_ms + pause_ms + length_ms, 0.5))
        time_ms += pause_ms + length_ms
    said = Segment(0, 0, time_ms, "word " * len(timed), words=tuple(timed))
    told = [SpeakerTurn(start_ms, start_ms + length_ms, speaker) for start_ms, length_ms, speaker in turns]
    (heard,) = with_speakers([said], told)
    assert [replace(word, speaker="") for word in heard.words] == timed
    assert {word.speaker for word in heard.words} <= {"", *(f"Speaker {turn.speaker}" for turn in told)}
