"""SRT and WebVTT, written by pysubs2 from our cues."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import pysubs2

from batchscribe_server.domain.recognition import SubtitleConfig
from batchscribe_server.domain.transcript import Transcript
from batchscribe_server.rendering.cues import Cue, Turn, cues_of

# pysubs2 takes `\N`, `\n` and `\h` for line breaks and spaces; a backslash that was said so goes in disguise,
# as a noncharacter, which no text has.
_BACKSLASH_DISGUISE = "\ufdd0"


def srt_blocks(transcript: Transcript, config: SubtitleConfig) -> Iterator[str]:
    """A SubRip file, a cue at a time. A turn begins with the name of who speaks, where that is told.

    SubRip knows no escapes: text stands as it is.
    """
    cues = cues_of(_channels(transcript, with_names=True), config, transcript.duration_ms)
    for number, cue in enumerate(cues, config.start_index):
        yield _block(cue, "\n".join(cue.lines), "srt", number)


def vtt_blocks(transcript: Transcript, config: SubtitleConfig) -> Iterator[str]:
    """A WebVTT file (W3C WebVTT 1), a cue at a time, with the cues' numbers as identifiers.

    A comment says of what it tells, and each cue is a voice span of who speaks, where that is told.
    """
    yield f"WEBVTT\n\n{_note(transcript)}\n\n"
    cues = cues_of(_channels(transcript, with_names=False), config, transcript.duration_ms)
    for number, cue in enumerate(cues, config.start_index):
        text = _escaped("\n".join(cue.lines))
        yield _block(cue, f"<v {_escaped(cue.party)}>{text}" if cue.party else text, "vtt", number)


def _channels(transcript: Transcript, *, with_names: bool) -> list[list[Turn]]:
    """The turns of each channel."""
    channels: dict[int | None, list[Turn]] = {}
    spoken = (segment for segment in transcript.segments if segment.text.strip())
    for party, segments in groupby(spoken, transcript.party_of):
        of_party = list(segments)
        turn = Turn(of_party, party, party if with_names else "")
        channels.setdefault(of_party[0].channel, []).append(turn)
    return list(channels.values())


def _note(transcript: Transcript) -> str:
    return (
        f"NOTE\nTranscript of {transcript.job_name}\nCreated: {transcript.create_time_iso}\n"
        f"Duration: {transcript.duration_ms / 1000} s\nChannels: {transcript.media.channels}"
    )


def _block(cue: Cue, text: str, format: str, number: int) -> str:
    # A document of one cue: pysubs2 holds a whole one in memory, and counts from 1.
    document = pysubs2.SSAFile()
    document.events.append(
        pysubs2.SSAEvent(start=cue.start_ms, end=cue.end_ms, text=text.replace("\\", _BACKSLASH_DISGUISE))
    )
    written = document.to_string(format, keep_ssa_tags=True)
    body = written.removeprefix("WEBVTT\n\n").removeprefix("1\n")
    return f"{number}\n{body.replace(_BACKSLASH_DISGUISE, chr(92))}"


def _escaped(text: str) -> str:
    # With `>` escaped, no `-->` is left that a reader could take for times.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
