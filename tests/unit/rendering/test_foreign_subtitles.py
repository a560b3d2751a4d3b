"""Subtitles and texts of every kind of transcript, read by readers that are not ours."""

from __future__ import annotations

import html
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest
import webvtt

from batchscribe_server.domain.recognition import TranscriptFormat
from batchscribe_server.domain.transcript import Transcript
from tests.transcripts import CASES, CHANNELS, ODD_MARKS, VOICES, said, transcript
from tests.unit.rendering.reading import every_case, rendered, said_text, unspaced, without_names


def srt_cues(of: Transcript) -> list[tuple[int, int, str]]:
    read = pysubs2.SSAFile.from_string(rendered(of, TranscriptFormat.SRT), format_="srt", keep_html_tags=True)
    return [(cue.start, cue.end, cue.text.replace("\\N", "\n")) for cue in read]


def vtt_cues(of: Transcript) -> list[tuple[int, int, str, str]]:
    read = webvtt.from_string(rendered(of, TranscriptFormat.VTT), strict=True)
    return [
        (_ms(cue.start), _ms(cue.end), html.unescape(cue.voice or ""), html.unescape(cue.text)) for cue in read.captions
    ]


def _ms(timestamp: str) -> int:
    hours, minutes, rest = timestamp.split(":")
    return round(1000 * (3600 * int(hours) + 60 * int(minutes) + float(rest)))


@every_case
def test_srt_and_vtt_show_the_same_cues_with_all_that_is_said(of: Transcript) -> None:
    srt, vtt = srt_cues(of), vtt_cues(of)
    assert [(start, end) for start, end, _ in srt] == sorted((start, end) for start, end, _ in srt)
    for channel in {segment.channel for segment in of.segments}:
        parties = {of.party_of(segment) for segment in of.segments if segment.channel == channel}
        cues = [cue for cue in vtt if cue[2] in parties]
        said_there = "".join(unspaced(segment.text) for segment in of.segments if segment.channel == channel)
        assert "".join(unspaced(text) for _, _, _, text in cues) == said_there
        assert all(before[1] <= after[0] for before, after in pairwise(cues))
    assert len(srt) == len(vtt)
    if not of.tells_parties:
        assert [(start, end, "", text) for start, end, text in srt] == vtt
    assert sorted(without_names(of, text).replace("\n", " ") for _, _, text in srt if of.tells_parties) == sorted(
        text.replace("\n", " ") for _, _, _, text in vtt if of.tells_parties
    )


@every_case
def test_vtt_opens_in_pysubs2_as_well(of: Transcript) -> None:
    read = pysubs2.SSAFile.from_string(rendered(of, TranscriptFormat.VTT), format_="vtt")
    assert [html.unescape(cue.text.replace("\\N", "\n")) for cue in read] == [text for *_, text in vtt_cues(of)]


@pytest.mark.parametrize("case", ["mono", "channels", "voices", "Arabic", "Chinese"])
def test_srt_opens_in_webvtt_py_as_well(case: str, tmp_path: Path) -> None:
    file = tmp_path / "a.srt"
    file.write_text(rendered(CASES[case], TranscriptFormat.SRT), encoding="utf-8")
    assert [cue.text for cue in webvtt.from_srt(str(file)).captions] == [text for *_, text in srt_cues(CASES[case])]


def test_a_turn_begins_with_its_name_in_srt_and_every_cue_has_its_voice_in_vtt() -> None:
    assert [text for *_, text in srt_cues(VOICES)] == [
        "Speaker 0: Who is there?",
        "Speaker 1: It is me.",
        "Speaker 0: Come in!",
    ]
    long = transcript(said("And so it goes on and on and on. " * 6, speaker="Speaker 0"))
    assert [text.startswith("Speaker 0: ") for *_, text in srt_cues(long)] == [True, False, False]
    assert {voice for _, _, voice, _ in vtt_cues(long)} == {"Speaker 0"}
    assert "<v Agent &amp; Co>Good morning" in rendered(CHANNELS, TranscriptFormat.VTT)


def test_channels_that_speak_at_once_have_cues_that_overlap() -> None:
    assert vtt_cues(CHANNELS) == [
        (0, 1_800, "Agent & Co", "Good morning, how can I help?"),
        (2_500, 4_600, "Caller", "I would like to book a table."),
        (3_000, 3_800, "Agent & Co", "Mm-hm."),
        (5_000, 5_900, "Caller", "For four people."),
    ]


def test_a_cue_is_not_kept_for_its_readers_while_the_next_party_speaks() -> None:
    hasty = said("Unspeakably quick.", channel=0)
    first, second = vtt_cues(transcript(hasty, said("Yes.", 700, channel=1)))
    assert (hasty.end_ms, first[1], second[0]) == (600, 700, 700)


def test_vtt_says_of_what_it_is_the_transcript() -> None:
    read = webvtt.from_string(rendered(CHANNELS, TranscriptFormat.VTT), strict=True)
    assert read.header_comments == [
        "Transcript of jobs/1\nCreated: 2026-01-31T12:00:00+00:00\nDuration: 61.234 s\nChannels: 2"
    ]
    assert [cue.identifier for cue in read.captions] == ["1", "2", "3", "4"]


# Plain text


@every_case
def test_text_has_all_that_is_said_by_turns(of: Transcript) -> None:
    text = rendered(of, TranscriptFormat.TEXT)
    assert unspaced(without_names(of, text)) == said_text(of)
    if of.tells_parties:
        parties = [of.party_of(segment) for segment in of.segments]
        turns = [party for before, party in zip(["", *parties], parties, strict=False) if party != before]
        paragraphs = text.strip().split("\n\n")
        names = [paragraph.partition(": ")[0] if ": " in paragraph else None for paragraph in paragraphs]
        assert names == [party or None for party in turns]


def test_marks_that_mean_something_elsewhere_stay() -> None:
    said_marks = "if a<b & c --> d </v> {\\i1} C:\\Temp"
    for cues in (srt_cues(ODD_MARKS), vtt_cues(ODD_MARKS)):
        assert said_marks in [cue[-1].replace("\n", " ") for cue in cues]
