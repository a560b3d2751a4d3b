"""The summary as plain text: bullets a line each, or paragraphs with a blank line between; who said it where told."""

from __future__ import annotations

from collections.abc import Iterator

from batchscribe_server.domain.analysis import SummaryPoint
from batchscribe_server.domain.recognition import SummaryStyle
from batchscribe_server.domain.transcript import Transcript


def summary_text(transcript: Transcript) -> Iterator[str]:
    """The points of the summary; nothing where there is none."""
    summary = transcript.analysis.summary if transcript.analysis else None
    if summary is None:
        return
    for number, point in enumerate(summary.points):
        if summary.style is SummaryStyle.BULLETS:
            yield f"- {_told(point)}\n"
        else:
            yield f"\n{_told(point)}\n" if number else f"{_told(point)}\n"


def _told(point: SummaryPoint) -> str:
    return f"{point.party}: {point.text}" if point.party else point.text
