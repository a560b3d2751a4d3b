"""The port to the analysis of transcripts."""

from __future__ import annotations

from typing import Protocol

from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import Transcript


class Analyst(Protocol):
    """Finds out what a transcript means. The package `analysis` has one."""

    async def analyze(self, transcript: Transcript, config: RecognitionConfig) -> Analysis:
        """What the config asks for, as far as it can be told; the result says what was left out, and what failed."""
        ...
