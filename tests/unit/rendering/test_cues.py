"""The laws of cutting a transcript into cues."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.recognition import SubtitleConfig
from batchscribe_server.domain.transcript import Segment, Word
from batchscribe_server.rendering.cues import MAX_PAUSE_MS, MIN_DURATION_MS, Cue, Turn
from batchscribe_server.rendering.cues import cues_of as cues_of_channels

LONG_AFTER_MS = 10**9


def cues_of(segments: Iterable[Segment], config: SubtitleConfig, duration_ms: int = LONG_AFTER_MS) -> Iterator[Cue]:
    """The cues of one party alone."""
    return cues_of_channels([[Turn(segments)]], config, duration_ms)


words_said = st.text(alphabet="abcdefghij.,?'", min_size=1, max_size=14)
configs = st.builds(
    SubtitleConfig,
    max_line_width=st.integers(8, 50),
    max_lines=st.integers(1, 4),
    max_chars_per_second=st.floats(5, 40),
)


@st.composite
def transcripts(draw: st.DrawFn) -> list[Segment]:
    """Segments whose words are said one after the other, some at once, some after long pauses."""
    segments: list[Segment] = []
    now_ms = draw(st.integers(0, 5000))
    for index in range(draw(st.integers(0, 4))):
        words: list[Word] = []
        for text in draw(st.lists(words_said, min_size=1, max_size=25)):
            end_ms = now_ms + draw(st.integers(0, 900))
            words.append(Word(text, now_ms, end_ms, 0.9))
            now_ms = end_ms + draw(st.sampled_from([0, 0, 0, 40, 400, 1000, 1001, 3000]))
        text = " ".join(word.text for word in words)
        segments.append(Segment(index, words[0].start_ms, words[-1].end_ms, text, "en", 0.9, tuple(words)))
    return segments


def words_of(cue: Cue) -> list[str]:
    return " ".join(cue.lines).split()


@given(transcripts(), configs)
def test_no_word_is_lost_or_moved(segments: list[Segment], config: SubtitleConfig) -> None:
    shown = [word for cue in cues_of(segments, config) for word in words_of(cue)]
    assert shown == [word.text for segment in segments for word in segment.words]


@given(transcripts(), configs)
def test_lines_are_no_wider_and_no_more_than_allowed(segments: list[Segment], config: SubtitleConfig) -> None:
    for cue in cues_of(segments, config):
        assert 1 <= len(cue.lines) <= config.max_lines
        for line in cue.lines:
            assert len(line) <= config.max_line_width or " " not in line


@given(transcripts(), configs)
def test_cues_follow_each_other_without_overlap(segments: list[Segment], config: SubtitleConfig) -> None:
    cues = list(cues_of(segments, config))
    assert all(cue.start_ms < cue.end_ms for cue in cues)
    assert all(before.end_ms <= after.start_ms for before, after in itertools.pairwise(cues))


@given(transcripts(), configs, st.integers(0, 2000), st.booleans())
def test_no_cue_ends_after_the_recording(
    segments: list[Segment], config: SubtitleConfig, rest_ms: int, timed: bool
) -> None:
    cut_ms = max([1000, *(word.start_ms for segment in segments for word in segment.words)]) + rest_ms
    within = [up_to(segment, cut_ms, timed=timed) for segment in segments]
    cues = list(cues_of(within, config, cut_ms))
    assert [word for cue in cues for word in words_of(cue)] == [w.text for s in segments for w in s.words]
    assert all(0 <= cue.start_ms < cue.end_ms <= cut_ms for cue in cues)
    assert all(before.end_ms <= after.start_ms for before, after in itertools.pairwise(cues))


def up_to(segment: Segment, cut_ms: int, *, timed: bool) -> Segment:
    """The segment as it is where the recording ends at `cut_ms`."""
    words = [replace(word, end_ms=min(cut_ms, word.end_ms)) for word in segment.words]
    return replace(segment, end_ms=min(cut_ms, segment.end_ms), words=tuple(words) if timed else ())


def test_words_said_at_the_very_end_are_shown_one_after_the_other() -> None:
    last = [Word(word, 9_999, 10_000, 0.9) for word in ("all", "at", "once")]
    end = Segment(0, 9_999, 10_000, "all at once", words=tuple(last))
    cues = list(cues_of([end], SubtitleConfig(max_line_width=4, max_lines=1), 10_000))
    assert [(cue.start_ms, cue.end_ms, cue.lines) for cue in cues] == [
        (9_997, 9_998, ("all",)),
        (9_998, 9_999, ("at",)),
        (9_999, 10_000, ("once",)),
    ]


@given(transcripts(), configs)
def test_no_cue_spans_a_long_pause(segments: list[Segment], config: SubtitleConfig) -> None:
    words = iter([word for segment in segments for word in segment.words])
    for cue in cues_of(segments, config):
        said = [next(words) for _ in words_of(cue)]
        pauses_ms = [after.start_ms - before.end_ms for before, after in itertools.pairwise(said)]
        assert max(pauses_ms, default=0) <= MAX_PAUSE_MS


@given(transcripts(), configs)
def test_a_cue_is_shown_long_enough_to_read_or_until_the_next_begins(
    segments: list[Segment], config: SubtitleConfig
) -> None:
    cues = list(cues_of(segments, config))
    for cue, after in itertools.zip_longest(cues, cues[1:]):
        needed_ms = max(MIN_DURATION_MS, 1000 * len(" ".join(cue.lines)) / config.max_chars_per_second)
        assert cue.end_ms - cue.start_ms >= needed_ms - 1 or (after is not None and cue.end_ms == after.start_ms)


@given(transcripts(), configs)
def test_segments_without_word_times_keep_their_words_too(segments: list[Segment], config: SubtitleConfig) -> None:
    untimed = [Segment(s.index, s.start_ms, s.end_ms, s.text) for s in segments]
    cues = list(cues_of(untimed, config))
    assert [word for cue in cues for word in words_of(cue)] == [w.text for s in segments for w in s.words]
    assert all(before.end_ms <= after.start_ms for before, after in itertools.pairwise(cues))


def said(text: str, *, word_ms: int = 300, start_ms: int = 0) -> Segment:
    """A segment whose words take `word_ms` each, without pauses."""
    words = tuple(
        Word(word, start_ms + number * word_ms, start_ms + (number + 1) * word_ms, 0.9)
        for number, word in enumerate(text.split())
    )
    return Segment(0, start_ms, words[-1].end_ms, text, "en", 0.9, words)


def test_cues_end_with_sentences_where_they_can() -> None:
    text = "This is the first sentence of the talk. And here the second one begins, which is a little longer."
    cues = list(cues_of([said(text)], SubtitleConfig()))
    assert [" ".join(cue.lines) for cue in cues] == [
        "This is the first sentence of the talk.",
        "And here the second one begins, which is a little longer.",
    ]


def test_two_lines_are_of_like_length() -> None:
    (cue,) = cues_of([said("one two three four five six seven eight nine ten")], SubtitleConfig(max_line_width=42))
    assert cue.lines == ("one two three four five", "six seven eight nine ten")


def test_fast_speech_is_shown_on_into_the_pause_after_it() -> None:
    fast = said("quickly said and hard to read", word_ms=50)
    late = said("much later", start_ms=10_000)
    first, second = cues_of([fast, late], SubtitleConfig(max_chars_per_second=10))
    assert (first.start_ms, first.end_ms) == (0, 2900)
    assert second.start_ms == 10_000


def test_chinese_is_cut_between_characters_and_joined_without_spaces() -> None:
    text = "今天天气很好，我们去公园散步吧。明天可能会下雨。"  # noqa: RUF001 - a Chinese comma is meant
    words = tuple(Word(char, 300 * number, 300 * (number + 1), 0.9) for number, char in enumerate(text))
    timed = Segment(0, 0, 300 * len(text), text, "zh", 0.9, words)
    untimed = Segment(0, 0, 300 * len(text), text, "zh")
    for segment in (timed, untimed):
        cues = list(cues_of([segment], SubtitleConfig(max_line_width=10, max_lines=1)))
        assert "".join(line for cue in cues for line in cue.lines) == text
        assert all(len(line) <= 10 and " " not in line for cue in cues for line in cue.lines)


def test_long_speech_without_a_pause_is_cut_as_a_stream() -> None:
    read: list[int] = []

    def endless() -> Segment:
        read.append(len(read))
        return said("and so it goes on and on " * 4, start_ms=28 * 300 * (len(read) - 1))

    cues = cues_of(iter(endless, None), SubtitleConfig())
    assert next(cues).start_ms == 0
    assert len(read) < 50


@st.composite
def conversations(draw: st.DrawFn) -> list[list[Turn]]:
    """The turns of up to three channels, which may speak at once."""
    channels = []
    for number in range(draw(st.integers(1, 3))):
        segments = draw(transcripts())
        parties = [f"{number}, {draw(st.integers(0, 1))}" for _ in segments]
        grouped = itertools.groupby(zip(parties, segments, strict=True), key=lambda pair: pair[0])
        channels.append([Turn([segment for _, segment in pairs], party, party) for party, pairs in grouped])
    return channels


@given(conversations(), configs)
def test_cues_of_several_channels_are_in_order_and_never_of_two_parties(
    channels: list[list[Turn]], config: SubtitleConfig
) -> None:
    cues = list(cues_of_channels(channels, config, LONG_AFTER_MS))
    assert all(before.start_ms <= after.start_ms for before, after in itertools.pairwise(cues))
    assert all(cue.start_ms < cue.end_ms for cue in cues)
    for turns in channels:
        own = [cue for cue in cues if cue.party in {turn.party for turn in turns}]
        assert all(before.end_ms <= after.start_ms for before, after in itertools.pairwise(own))
        shown = [(cue.party, " ".join(cue.lines)) for cue in own]
        said_in_turns = [
            (party, " ".join(text for _, text in texts))
            for party, texts in itertools.groupby(shown, lambda cue: cue[0])
        ]
        assert said_in_turns == [
            (turn.party, f"{turn.name}: " + " ".join(word.text for segment in turn.segments for word in segment.words))
            for turn in turns
        ]


@given(conversations(), configs)
def test_cues_overlap_only_while_there_is_speech(channels: list[list[Turn]], config: SubtitleConfig) -> None:
    cues = list(cues_of_channels(channels, config, LONG_AFTER_MS))
    spoken_until_ms: dict[str, set[int]] = {}
    for turn in itertools.chain.from_iterable(channels):
        ends_ms = {word.end_ms for segment in turn.segments for word in segment.words}
        spoken_until_ms.setdefault(turn.party, set()).update(ends_ms)
    for cue, after in itertools.pairwise(cues):
        if cue.end_ms > max(after.start_ms, cue.start_ms + 1):
            assert cue.end_ms in spoken_until_ms[cue.party]
