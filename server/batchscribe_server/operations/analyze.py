"""Analyse a transcript once all of it is heard, and keep what is found with the job."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import Failure
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import Transcript
from batchscribe_server.operations.analysis import Analyst
from batchscribe_server.operations.run_store import Claim
from batchscribe_server.operations.store import Store

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Analyzed:
    """What was found, None where nothing was, and what is to be told: `warnings` beside the transcript, and a `failure`
    in a notice too.
    """

    analysis: Analysis | None = None
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


class Analyze:
    """Analyses transcripts. Whatever goes wrong here, the transcript is good: it is told, and fails no job.

    A run that was cut off analyses again, and what it finds takes the place of what was found before.
    """

    def __init__(self, store: Store, analyst: Analyst) -> None:
        self._store = store
        self._analyst = analyst

    async def __call__(self, claim: Claim, config: RecognitionConfig, transcript: Transcript) -> Analyzed:
        """Analyse what was heard, as `config` asks. Raises LeaseLostError."""
        await self._store.begin_analysis(claim)
        try:
            analysis = await self._analyst.analyze(transcript, config)
        except Exception:  # the boundary: an analysis that crashes costs nobody the transcript
            log.exception("analysis_crashed", job=claim.job.name)
            await self._store.end_analysis(claim, None)
            return _failed(None, "The analysis failed for a reason of the service's own; see its log.")
        await self._store.end_analysis(claim, analysis)
        return analyzed(analysis)


def analyzed(analysis: Analysis) -> Analyzed:
    """What is to be told of what was found."""
    if analysis.failure:
        return _failed(analysis, f"{analysis.failure} The service's own analysis took its place.")
    return Analyzed(analysis, analysis.left_out)


def _failed(analysis: Analysis | None, message: str) -> Analyzed:
    left_out = analysis.left_out if analysis else ()
    return Analyzed(analysis, (message, *left_out), Failure(Reason.ANALYSIS_FAILED, message))
