"""What tests of transcripts that foreign readers read have in common."""

from __future__ import annotations

import pytest

from batchscribe_server import rendering
from batchscribe_server.domain.recognition import RecognitionConfig, SubtitleConfig, TranscriptFormat
from batchscribe_server.domain.transcript import Segment, Transcript
from tests.transcripts import CASES

every_case = pytest.mark.parametrize("of", CASES.values(), ids=CASES.keys())


def rendered(of: Transcript, format: TranscriptFormat, config: RecognitionConfig | None = None) -> str:
    pieces = rendering.render(of, format, config or RecognitionConfig(), SubtitleConfig())
    return b"".join(pieces).decode()


def unspaced(text: str) -> str:
    return "".join(text.split())


def spoken(of: Transcript) -> list[Segment]:
    return [segment for segment in of.segments if segment.text.strip()]


def said_text(of: Transcript) -> str:
    return unspaced(of.text)


def without_names(of: Transcript, text: str) -> str:
    for party in {of.party_of(segment) for segment in of.segments} - {""}:
        text = text.replace(f"{party}: ", "")
    return text
