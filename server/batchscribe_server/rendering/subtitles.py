"""SRT and WebVTT, written by pysubs2 from our cues."""

from __future__ import annotations

from collections.abc import Iterator

import pysubs2

from batchscribe_server.domain.recognition import SubtitleConfig
from batchscribe_server.domain.transcript import Transcript
from batchscribe_server.rendering.cues import Cue, cues_of

# pysubs2 takes `\N`, `\n` and `\h` for line breaks and spaces; a backslash that was said so goes in disguise.
_BACKSLASH_DISGUISE = "\ue05c"


def srt_blocks(transcript: Transcript, config: SubtitleConfig) -> Iterator[str]:
    """A SubRip file, a cue at a time. SubRip knows no escapes: text stands as it is."""
    for number, cue in enumerate(cues_of(transcript.segments, config), config.start_index):
        yield _block(cue, "\n".join(cue.lines), "srt", number)


def vtt_blocks(transcript: Transcript, config: SubtitleConfig) -> Iterator[str]:
    """A WebVTT file (W3C WebVTT 1), a cue at a time, with the cues' numbers as identifiers."""
    yield "WEBVTT\n\n"
    for number, cue in enumerate(cues_of(transcript.segments, config), config.start_index):
        yield _block(cue, _escaped("\n".join(cue.lines)), "vtt", number)


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
