"""Analyse a transcript once all of it is heard, and keep what was found with the job."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import Failure, Job
from batchscribe_server.domain.recognition import TranscriptFormat
from batchscribe_server.operations.analysis import Analyst
from batchscribe_server.operations.read_transcript import load_transcript
from batchscribe_server.operations.store import Claim, Store
from batchscribe_server.operations.transcriber import MediaSummary

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Analyzed:
    """What is to be told of an analysis: `warnings` beside the transcript, and a `failure` in a notice too."""

    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


class Analyze:
    """Analyses what asks for it. Whatever goes wrong here, the transcript is good: it is told, and fails no job.

    A run that was cut off analyses again, and what it finds takes the place of what was found before.
    """

    def __init__(self, store: Store, analyst: Analyst) -> None:
        self._store = store
        self._analyst = analyst

    async def __call__(self, claim: Claim, job: Job, summary: MediaSummary) -> Analyzed:
        """`job` is as it was heard. Raises LeaseLostError."""
        if not job.config.wants_analysis:
            return Analyzed(_summary_missing(job))
        await self._store.begin_analysis(claim)
        transcript = await load_transcript(self._store, job, summary.warning, summary.duration_ms)
        try:
            analysis = await self._analyst.analyze(transcript, job.config)
        except Exception:  # the boundary: an analysis that crashes costs nobody the transcript
            log.exception("analysis_crashed", job=job.name)
            await self._store.end_analysis(claim, None)
            return _failed("The analysis failed for a reason of the service's own; see its log.")
        await self._store.end_analysis(claim, analysis)
        if analysis.failure:
            return _failed(f"{analysis.failure} The service's own analysis took its place.", analysis.left_out)
        return Analyzed((*analysis.left_out, *_summary_missing(job)))


def _summary_missing(job: Job) -> tuple[str, ...]:
    """Of a file of a manifest whose own config does without the summary that others of its batch have."""
    is_missing = TranscriptFormat.SUMMARY in job.output.formats and job.config.summary is None
    return ("No summary was written: the config of this file asks for none.",) if is_missing else ()


def _failed(message: str, left_out: tuple[str, ...] = ()) -> Analyzed:
    return Analyzed((message, *left_out), Failure(Reason.ANALYSIS_FAILED, message))
