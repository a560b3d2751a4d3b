"""A transcript in any of the formats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from batchscribe_server.domain.recognition import RecognitionConfig, SubtitleConfig, TranscriptFormat
from batchscribe_server.domain.transcript import Transcript
from batchscribe_server.rendering.ibm_json import ibm_json
from batchscribe_server.rendering.json_document import json_document
from batchscribe_server.rendering.json_v2 import json_v2
from batchscribe_server.rendering.subtitles import srt_blocks, vtt_blocks
from batchscribe_server.rendering.summary import summary_text
from batchscribe_server.rendering.text import paragraphs
from batchscribe_server.rendering.tsv import tsv_rows

PIECE_CHARS = 16_384


def render(
    transcript: Transcript,
    format: TranscriptFormat,
    config: RecognitionConfig,
    subtitles: SubtitleConfig,
) -> Iterator[bytes]:
    """The transcript in one format, UTF-8, in pieces of some kilobytes.

    Subtitles of ten hours take some seconds to cut: iterate in a thread.
    """
    match format:
        case TranscriptFormat.TEXT:
            texts = paragraphs(transcript)
        case TranscriptFormat.JSON:
            texts = json_document(transcript, config)
        case TranscriptFormat.JSON_V2:
            texts = json_v2(transcript, config)
        case TranscriptFormat.IBM_JSON:
            texts = ibm_json(transcript, config)
        case TranscriptFormat.TSV:
            texts = tsv_rows(transcript)
        case TranscriptFormat.SRT:
            texts = srt_blocks(transcript, subtitles)
        case TranscriptFormat.VTT:
            texts = vtt_blocks(transcript, subtitles)
        case TranscriptFormat.SUMMARY:
            texts = summary_text(transcript)
        case _:
            assert_never(format)
    yield from _encoded(texts)


def _encoded(texts: Iterator[str]) -> Iterator[bytes]:
    waiting: list[str] = []
    chars = 0
    for text in texts:
        waiting.append(text)
        chars += len(text)
        if chars >= PIECE_CHARS:
            yield "".join(waiting).encode()
            waiting.clear()
            chars = 0
    if waiting:
        yield "".join(waiting).encode()
