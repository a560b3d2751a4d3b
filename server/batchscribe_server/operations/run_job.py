"""Run a job: open its file, hear it through and store what is heard as it comes, analyse it, write the outputs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

import structlog

from batchscribe_server.domain.errors import JobFailure, LeaseLostError, Reason, StoreAwayFailure
from batchscribe_server.domain.fingerprint import change_since
from batchscribe_server.domain.job import Failure, Job, OutputFile, State
from batchscribe_server.domain.model import Model
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription, Segment
from batchscribe_server.operations.access import Reached, ReachStorages
from batchscribe_server.operations.analyze import Analyze, Analyzed, analyzed
from batchscribe_server.operations.fleet_models import FleetModels
from batchscribe_server.operations.models import ModelElsewhereError
from batchscribe_server.operations.observers import JobObserver, TransferObserver
from batchscribe_server.operations.open_input import OpenInput
from batchscribe_server.operations.output_conflicts import check_conflicts
from batchscribe_server.operations.patience import Patience, PutOff, SoFar
from batchscribe_server.operations.places import Place
from batchscribe_server.operations.read_transcript import load_transcript
from batchscribe_server.operations.run_store import Advance, Claim, Outcome
from batchscribe_server.operations.storage import LocalInput, Storage, UploadElsewhereError, UploadSpool
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.supervision import CRASHED
from batchscribe_server.operations.tell_speakers import TellSpeakers
from batchscribe_server.operations.text import TextEditing, TextEditor
from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.operations.transcriber import (
    DecodingProgress,
    HeardSegment,
    MediaSummary,
    Transcriber,
    TranscriberClosedError,
    TranscriptionRequest,
)
from batchscribe_server.operations.write_outputs import WriteOutputs

log = structlog.get_logger()

PROGRESS_INTERVAL_S = 1.0

LEFT_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What a file may be at most; 0 for no limit. And how many runs may not find it, where others might."""

    max_size_bytes: int = 0
    max_duration_ms: int = 0
    max_stalled_attempts: int = 5


class RunJob:
    """One run of one claimed job.

    Results are stored in order as they come, so a run that is cut off goes on where it stopped. A failure of the file
    is the job's outcome; only a lost lease, a transcriber that is closed, a store that is away, an upload that is on
    another server's disk, or a model that only others can load, ends the run without one.
    """

    def __init__(
        self,
        store: Store,
        reach: ReachStorages,
        uploads: UploadSpool,
        models: FleetModels,
        transcriber: Transcriber,
        text: TextEditing,
        tell_speakers: TellSpeakers,
        analyze: Analyze,
        write_outputs: WriteOutputs,
        now: Callable[[], datetime],
        limits: MediaLimits,
        observer: JobObserver | None = None,
        transfer_observer: TransferObserver | None = None,
        tracing: Tracing | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._tracing = tracing or Tracing()
        self._patience = patience or Patience()
        self._store = store
        self._reach = reach
        self._open_input = OpenInput(store, uploads, transfer_observer, self._tracing)
        self._models = models
        self._transcriber = transcriber
        self._text = text
        self._tell_speakers = tell_speakers
        self._analyze = analyze
        self._write_outputs = write_outputs
        self._now = now
        self._limits = limits
        self._observer = observer or JobObserver()

    async def __call__(self, claim: Claim, place: Place) -> None:
        """Run to the end, whichever it is; the file is heard at that place."""
        with self._tracing.run(claim) as ended:
            ended(await self._run(claim, place))

    def prioritize(self, job_id: str, priority: int) -> None:
        """A job that runs here has another priority: its turns at the engine come accordingly."""
        self._transcriber.prioritize(job_id, priority)
        self._tell_speakers.prioritize(job_id, priority)

    async def _run(self, claim: Claim, place: Place) -> str:
        """Returns the reason why it failed; empty where it did not."""
        started = time.monotonic()
        try:
            outcome = await self._outcome(claim, place)
            job = await self._store.finish(claim, outcome)
        except LeaseLostError:
            self._observer.lease_lost()
            log.warning("lease_lost", job=claim.job.name)
            return "LEASE_LOST"
        except TranscriberClosedError:
            # The job stays as it is stored; whoever finds its lease expired goes on with it.
            log.warning("transcriber_closed", job=claim.job.name)
            return "TRANSCRIBER_CLOSED"
        except ModelElsewhereError as elsewhere:
            log.info("model_elsewhere", job=claim.job.name, why=str(elsewhere))
            return await self._leave_to_others(claim)
        except PutOff as put_off:
            log.warning("store_away", job=claim.job.name, reason=put_off.waiting.why.reason, pause_s=put_off.pause_s)
            return await self._wait_for_store(claim, put_off)
        except UploadElsewhereError:
            # The job stays as it is stored; the next one to claim it may be the server that has its file.
            log.warning("upload_elsewhere", job=claim.job.name, upload=claim.job.input_uri)
            return "UPLOAD_ELSEWHERE"
        self._observer.job_ended(
            job.state, job.error.reason if job.error else None, audio_s=job.audio_duration_ms / 1_000
        )
        log.info(
            "job_finished",
            job=job.name,
            batch=job.batch_id,
            state=job.state,
            reason=job.error.reason if job.error else "",
            audio_ms=job.audio_duration_ms,
            elapsed_s=round(time.monotonic() - started, 3),
        )
        return job.error.reason if job.error else ""

    async def _leave_to_others(self, claim: Claim) -> str:
        # This server claims no more of them, if their rows tell the model. Rows that an older version wrote don't, and
        # would go round as fast as the store takes them.
        await asyncio.sleep(LEFT_AFTER_S)
        try:
            await self._store.release(claim)
        except LeaseLostError:
            self._observer.lease_lost()
        return "MODEL_ELSEWHERE"

    async def _wait_for_store(self, claim: Claim, put_off: PutOff) -> str:
        try:
            await self._store.put_off(claim, put_off.waiting, put_off.pause_s)
        except LeaseLostError:
            self._observer.lease_lost()
        return "STORE_AWAY"

    async def _outcome(self, claim: Claim, place: Place) -> Outcome:
        job = claim.job
        so_far = SoFar(job, self._patience, self._now)
        if so_far.failure is None:
            try:
                async with self._reach.of_job(job) as reached:
                    return await self._transcribe(claim, place, reached, so_far)
            except StoreAwayFailure as away:
                so_far.wait_for(away)
                so_far.failure = so_far.given_up(away)
            except JobFailure as failure:
                so_far.failure = Failure(failure.reason, failure.message)
            except (LeaseLostError, TranscriberClosedError, ModelElsewhereError, PutOff):
                raise
            except UploadElsewhereError as elsewhere:
                if job.stalled_attempts + 1 < self._limits.max_stalled_attempts:
                    await self._store.begin_hearing(claim)  # counted as an attempt, though it got no further than this
                    raise
                so_far.failure = Failure(Reason.FETCH_FAILED, str(elsewhere))
            except Exception:  # the boundary: whatever goes wrong with one file reaches no other
                log.exception("job_crashed", job=job.name)
                so_far.failure = CRASHED
        await self._tell(claim, job, so_far.failure, self._write_outputs.notice, so_far)
        return Outcome(State.FAILED, error=so_far.failure, warning=so_far.warning)

    async def _tell(
        self,
        claim: Claim,
        job: Job,
        error: Failure,
        notice: Callable[[Job, Failure, datetime, Storage], Awaitable[None]],
        so_far: SoFar,
    ) -> None:
        """Write a notice, now or when its store is back. One that can't be written is one more of the warnings."""
        await self._store.check_claim(claim)
        try:
            async with self._reach.of_job(job) as reached:
                await notice(job, error, self._now(), reached.output)
        except JobFailure as problem:
            if isinstance(problem, StoreAwayFailure):
                so_far.wait_for(problem)
            log.warning("notice_not_written", job=job.name, reason=problem.reason)
            so_far.warnings.append(f"The notice could not be written: {problem.message}")
        except Exception:  # the boundary, here as well: the job has ended, with or without a notice of it
            log.exception("notice_crashed", job=job.name)
            so_far.warnings.append("The notice could not be written, for a reason of the service's own.")

    async def _transcribe(self, claim: Claim, place: Place, reached: Reached, so_far: SoFar) -> Outcome:
        """`so_far` takes what is to be told of the file, however its run ends."""
        job, warnings = claim.job, so_far.warnings
        if so_far.duration_ms is not None:
            place.write()
            return await self._written(claim, job, so_far.duration_ms, reached.output, so_far)
        first_run = job.media is None
        if first_run:
            await check_conflicts(self._store, claim, reached)
        if first_run and (existing := await self._write_outputs.existing(job, reached.output)):
            return Outcome(State.SUCCEEDED, outputs=existing, warning="Skipped: the outputs were there already.")
        # A run that goes on keeps its model, also where the server has another default by now.
        model = await self._models.resolve(job.model or job.config.model)
        async with self._open_input(job.tenant, job.input_uri, reached.input, job.party) as (file, file_name):
            if not first_run and job.input_fingerprint != file.fingerprint:
                raise JobFailure(
                    Reason.INPUT_CHANGED,
                    "The file changed between two runs of this job. Submit it again once it is complete.",
                )
            if change := change_since(job.listed_fingerprint, file.fingerprint):
                log.info("input_changed_since_listed", job=job.name)
                warnings.append(change)
            if self._limits.max_size_bytes and file.size_bytes > self._limits.max_size_bytes:
                raise JobFailure(
                    Reason.MEDIA_TOO_LARGE,
                    f"The file has {file.size_bytes} bytes; this server takes {self._limits.max_size_bytes}.",
                )
            run = _Run(self._store, claim, place, model, file.fingerprint, await self._editor(job))
            async with place.heard(), self._tell_speakers.beside(claim, place, file, file_name) as speakers_told:
                with self._tracing.hearing(job.id, model.name):
                    request = self._request(job, place.priority, model, file, file_name)
                    summary = await self._heard(run, request)
                problem = await speakers_told()
        heard = run.as_heard()
        warnings += filter(None, (summary.warning, problem, self._warning_of_text(heard)))
        so_far.duration_ms = summary.duration_ms
        return await self._written(claim, heard, summary.duration_ms, reached.output, so_far)

    async def _heard(self, run: _Run, request: TranscriptionRequest) -> MediaSummary:
        """Hear the file, and tell the models whether its own could be loaded."""
        try:
            summary = await run.hear(self._transcriber, request)
        except JobFailure as failure:
            self._models.load_failed(run.wanted_model, request.model, failure)
            raise
        if run.heard_speech:  # else nothing had to be loaded
            self._models.loaded(request.model)
        return summary

    async def _written(self, claim: Claim, heard: Job, duration_ms: int, storage: Storage, so_far: SoFar) -> Outcome:
        """Analyse what was heard and write it, as far as the client asks for either."""
        outputs: tuple[OutputFile, ...] = ()
        if not heard.output.kept_by_service or heard.config.wants_analysis:
            outputs = await self._outputs(claim, heard, duration_ms, storage, so_far)
        return Outcome(State.SUCCEEDED, outputs=outputs, warning=so_far.warning, audio_duration_ms=duration_ms)

    async def _outputs(
        self, claim: Claim, heard: Job, duration_ms: int, storage: Storage, so_far: SoFar
    ) -> tuple[OutputFile, ...]:
        warnings = so_far.warnings
        transcript = await load_transcript(self._store, heard, duration_ms)
        analysis = Analyzed()
        if heard.config.wants_analysis:
            # What a run found that had only to be written is there.
            known = await self._store.get_analysis(heard.id) if so_far.was_transcribed else None
            if known is not None:
                analysis = analyzed(known)
            else:
                with self._tracing.step("analyze"):
                    analysis = await self._analyze(claim, heard.config, transcript)
            warnings += analysis.warnings
        if heard.formats != heard.output.formats:
            warnings.append("No summary was written: the config of this file asks for none.")
        told = replace(transcript, warning=so_far.warning, analysis=analysis.analysis)
        # Whoever has taken over meanwhile has outputs of its own.
        await self._store.check_claim(claim)
        outputs = await self._write_outputs.transcripts(heard, told, storage)
        if analysis.failure is not None:
            await self._tell(claim, heard, analysis.failure, self._write_outputs.notice_beside, so_far)
        return outputs

    async def _editor(self, job: Job) -> TextEditor | None:
        """What edits this run's segments, after those that an earlier run has stored."""
        editor = self._text.editor(job.config)
        if editor is not None and editor.remembers and job.segments:
            async for segment in self._store.read_segments(job.id):
                editor.recall(segment)
        return editor

    def _warning_of_text(self, job: Job) -> str:
        """What could not be done to the text in the language that was heard, in plain words."""
        if job.detected_language is None:
            return ""
        language = job.detected_language.code
        gaps = self._text.gaps(job.config, language)
        return " ".join(f"{gap.field}: {gap.missing} are not found in the language {language}." for gap in gaps)

    def _request(self, job: Job, priority: int, model: Model, file: LocalInput, file_name: str) -> TranscriptionRequest:
        known = job.detected_language
        return TranscriptionRequest(
            job_id=job.id,
            descriptor=file.descriptor,
            model=model,
            config=job.config,
            language=job.config.language or (known.code if known else ""),
            word_times=job.config.needs_word_times or job.output.needs_word_times,
            first_segment=job.media_segments_done,
            resume_at_ms=job.processed_ms,
            tenant=job.tenant,
            batch_id=job.batch_id,
            priority=priority,
            max_duration_ms=self._limits.max_duration_ms,
            file_name=file_name,
        )


class _Run:
    """How far one run has come, and the storing of it."""

    def __init__(
        self, store: Store, claim: Claim, place: Place, model: Model, fingerprint: str, editor: TextEditor | None
    ) -> None:
        self._store = store
        self._claim = claim
        self._place = place
        self._model = model
        self._fingerprint = fingerprint
        self._editor = editor
        self._media = claim.job.media
        self._language = claim.job.detected_language
        self._segments = claim.job.segments
        self._media_segments_done = claim.job.media_segments_done
        self._processed_ms = claim.job.processed_ms
        self._next_progress = 0.0
        self._storing = asyncio.Lock()
        self._stored: Advance | None = None  # the last step, where watchers were not told of its progress
        self._untold = asyncio.Event()

    async def hear(self, transcriber: Transcriber, request: TranscriptionRequest) -> MediaSummary:
        """Store all that the transcriber gives, and return its summary."""
        telling = asyncio.create_task(self._tell_in_time(), name="job-progress")
        try:
            return await self._hear(transcriber, request)
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling

    async def _hear(self, transcriber: Transcriber, request: TranscriptionRequest) -> MediaSummary:
        async with aclosing(transcriber.transcribe(request)) as transcription:
            async for item in transcription:
                match item:
                    case MediaDescription():
                        self._media = item
                        await self._store.describe(self._claim, item, self._model.name, self._fingerprint)
                    case HeardSegment():
                        await self._advance(await self._segments_of(item), item.end_ms)
                    case DecodingProgress(processed_ms):
                        await self._advance((), processed_ms)
                    case MediaSummary():
                        return item
                    case _:
                        assert_never(item)
        raise JobFailure(Reason.INTERNAL, "The transcription ended without a summary.")

    @property
    def wanted_model(self) -> str:
        """The name that the job asks for."""
        return self._claim.job.model or self._claim.job.config.model

    @property
    def heard_speech(self) -> bool:
        """Whether this run has stored any text."""
        return self._segments > self._claim.job.segments

    def as_heard(self) -> Job:
        """The job with what this run has learnt of it, for the documents that are written before it ends."""
        return replace(self._claim.job, media=self._media, model=self._model.name, detected_language=self._language)

    async def _segments_of(self, heard: HeardSegment) -> tuple[Segment, ...]:
        """What is to be stored of it: nothing where nothing was said, or nothing is left of it."""
        self._media_segments_done = heard.index + 1
        if self._language is None or self._language.code != heard.language.code:
            self._language = DetectedLanguage(heard.language.code, heard.language.confidence)
        if not heard.text:
            return ()
        segment = Segment(
            index=self._segments,
            start_ms=heard.start_ms,
            end_ms=heard.end_ms,
            text=heard.text,
            language=heard.language.code,
            confidence=heard.confidence,
            words=heard.words,
            channel=heard.channel,
        )
        if self._editor is not None:
            segment = await asyncio.to_thread(self._editor.edit, segment)
            if not segment.text:
                return ()
        self._segments += 1
        return (segment,)

    async def _advance(self, segments: tuple[Segment, ...], processed_ms: int) -> None:
        async with self._storing:
            self._processed_ms = max(self._processed_ms, processed_ms)
            due = time.monotonic() >= self._next_progress
            step = Advance(
                segments=segments,
                media_segments_done=self._media_segments_done,
                processed_ms=self._processed_ms,
                detected_language=self._language,
                progress_event=due,
            )
            await self._store.advance(self._claim, step)
            self._told() if due else self._tell_later(step)
        before = self._claim.job
        if self._media_segments_done > before.media_segments_done or self._processed_ms > before.processed_ms:
            self._place.progressed()

    def _told(self) -> None:
        self._next_progress = time.monotonic() + PROGRESS_INTERVAL_S
        self._untold.clear()

    def _tell_later(self, step: Advance) -> None:
        self._stored = replace(step, segments=(), progress_event=True)
        self._untold.set()

    async def _tell_in_time(self) -> None:
        """Tell of what several results at once have done, though nothing follows them for a long time."""
        while True:
            await self._untold.wait()
            await asyncio.sleep(self._next_progress - time.monotonic())
            async with self._storing:
                if self._stored is None or not self._untold.is_set():
                    continue
                try:
                    await self._store.advance(self._claim, self._stored)
                except LeaseLostError:
                    return  # the run learns of it by itself
                self._told()
