"""The summary as text, in both styles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchscribe_server import rendering
from batchscribe_server.domain.analysis import Analysis, Maker, Summary, SummaryPoint
from batchscribe_server.domain.recognition import (
    RecognitionConfig,
    SubtitleConfig,
    SummaryLength,
    SummaryStyle,
    TranscriptFormat,
)
from tests.conversations import transcript_of

POINTS = (SummaryPoint("It was late.", "Customer", 4_500), SummaryPoint("It is refunded."))


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (SummaryStyle.BULLETS, "- Customer: It was late.\n- It is refunded.\n"),
        (SummaryStyle.PARAGRAPHS, "Customer: It was late.\n\nIt is refunded.\n"),
    ],
)
def test_points_stand_a_line_or_a_paragraph_each(style: SummaryStyle, expected: str) -> None:
    assert rendered(Analysis(summary=Summary(style, SummaryLength.SHORT, Maker.EMBEDDED, POINTS))) == expected


def test_where_there_is_no_summary_there_is_no_text() -> None:
    assert rendered(None) == ""
    assert rendered(Analysis()) == ""


def rendered(analysis: Analysis | None) -> str:
    transcript = replace(transcript_of([]), analysis=analysis)
    pieces = rendering.render(transcript, TranscriptFormat.SUMMARY, RecognitionConfig(), SubtitleConfig())
    return b"".join(pieces).decode()
