"""Tab-separated values as Whisper's own tools write them: start and end in milliseconds, and the text.

Nothing is quoted, as nothing is there: tabs and line breaks within the text are spaces. Where it is told who speaks, a
fourth column says so, so that those who read the first three go on reading.
"""

from __future__ import annotations

from collections.abc import Iterator

from batchscribe_server.domain.script import tokens_of
from batchscribe_server.domain.transcript import Transcript


def tsv_rows(transcript: Transcript) -> Iterator[str]:
    """The header, and a row for each segment in which something is said."""
    with_parties = transcript.tells_parties
    yield _row("start", "end", "text", *(["speaker"] if with_parties else []))
    for segment in transcript.segments:
        if segment.text.strip():
            party = [transcript.party_of(segment)] if with_parties else []
            yield _row(str(segment.start_ms), str(segment.end_ms), segment.text, *party)


def _row(*fields: str) -> str:
    return "\t".join(" ".join(tokens_of(field)) for field in fields) + "\n"
