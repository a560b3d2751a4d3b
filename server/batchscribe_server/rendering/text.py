"""Plain text to read: a paragraph a line, a blank line between paragraphs, `Speaker 0: …` where turns are told."""

from __future__ import annotations

from collections.abc import Iterator

from batchscribe_server.domain.script import needs_space_between, sentence_ends, tokens_of
from batchscribe_server.domain.transcript import Transcript

PARAGRAPH_PAUSE_MS = 2_000
"""A pause this long begins a paragraph."""

PARAGRAPH_CHARS = 700
"""After so many characters the next sentence begins one too, so that talk without pauses can be read as well."""


def paragraphs(transcript: Transcript) -> Iterator[str]:
    """The segments' texts, joined to paragraphs where speech goes on. Each turn of a party begins one with its name."""
    paragraph = ""
    party = ""
    end_ms = 0
    begun = False
    for segment in transcript.segments:
        text = " ".join(tokens_of(segment.text))
        if not text:
            continue
        long_enough = len(paragraph) >= PARAGRAPH_CHARS and sentence_ends(paragraph)
        turns = transcript.party_of(segment) != party
        if paragraph and (turns or long_enough or segment.start_ms - end_ms > PARAGRAPH_PAUSE_MS):
            yield f"\n{paragraph}\n" if begun else f"{paragraph}\n"
            paragraph, begun = "", True
        if turns:
            party = transcript.party_of(segment)
            text = f"{party}: {text}" if party else text
        if paragraph and needs_space_between(paragraph, text):
            paragraph += " "
        paragraph += text
        end_ms = segment.end_ms
    if paragraph:
        yield f"\n{paragraph}\n" if begun else f"{paragraph}\n"
