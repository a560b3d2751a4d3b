"""What is done to the text is done before it is stored, streamed and written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from batchscribe_server.domain.batch import ManifestEntry, ManifestInput
from batchscribe_server.domain.errors import InvalidArgumentError, Reason
from batchscribe_server.domain.event import Event, SegmentHeard
from batchscribe_server.domain.job import State
from batchscribe_server.domain.recognition import (
    OutputConfig,
    OutputLayout,
    RecognitionConfig,
    Redaction,
    Replacement,
    TranscriptFormat,
)
from batchscribe_server.operations.submit import NewBatch, NewJob
from tests.in_process_service import TENANT, in_process_service
from tests.scripted_engine import Script, ScriptedTranscriber

DICTATED = ("my card is 41", "11 1111", "um", "1111 one one", "one one thanks")
HIDDEN = ["my card is 41", "XX XXXX", "XXXX X X", "X X thanks"]
REDACTING = RecognitionConfig(redaction=Redaction(), disfluency_removal=True, word_time_offsets=True)


async def test_what_is_redacted_is_in_no_stored_segment_no_event_and_no_output(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber(lambda _: Script(texts=DICTATED))
    async with in_process_service(tmp_path, transcriber) as service:
        output = OutputConfig(OutputLayout.ADJACENT, formats=tuple(TranscriptFormat))
        new = NewJob(service.audio("a.wav"), config=REDACTING, output=output)
        job = await service.submit.job(TENANT, new)
        streamed = [
            message.detail.segment
            async for message in service.watch.job(TENANT, job.id, after=None, include_segments=True)
            if isinstance(message, Event) and isinstance(message.detail, SegmentHeard)
        ]
        job = await service.ended(job)
        stored = [segment async for segment in service.store.read_segments(job.id)]
    assert (job.state, job.segments, job.media_segments_done) == (State.SUCCEEDED, 4, 5)
    assert [segment.text for segment in stored] == [segment.text for segment in streamed] == HIDDEN
    assert [" ".join(word.text for word in segment.words) for segment in stored] == HIDDEN
    assert [segment.index for segment in stored] == [0, 1, 2, 3]
    for suffix in ("txt", "srt", "vtt", "json"):
        written = (tmp_path / f"a.wav.{suffix}").read_text()
        assert "XX XXXX" in written
        assert "thanks" in written
        assert not re.search(r"1111|\bone\b", written)
    assert not any(b"1111" in path.read_bytes() for path in tmp_path.glob("test.db*"))


async def test_a_run_that_goes_on_knows_the_digits_before_it(tmp_path: Path) -> None:
    slow = ScriptedTranscriber(lambda _: Script(texts=("it is 41", "11 is it")))
    async with in_process_service(tmp_path, slow) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=REDACTING))
        async for message in service.watch.job(TENANT, job.id, after=None, include_segments=True):
            if isinstance(message, Event) and isinstance(message.detail, SegmentHeard):
                slow.flowing.clear()
                break
        await service.dispatch.drain(grace_s=0)
        released = await service.store.get_job(TENANT, job.id)
    async with in_process_service(tmp_path, ScriptedTranscriber(slow.script_for)) as service:
        job = await service.ended(released)
        texts = [segment.text async for segment in service.store.read_segments(job.id)]
    assert texts == ["it is 41", "XX is it"]


async def test_what_cannot_be_had_in_the_language_heard_is_the_jobs_warning(tmp_path: Path) -> None:
    config = RecognitionConfig(smart_formatting=True, redaction=Redaction())
    transcriber = ScriptedTranscriber(lambda _: Script(language="fi", warning="The end is damaged."))
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=config)))
    assert job.state is State.SUCCEEDED
    assert job.warning == (
        "The end is damaged. smart_formatting: numbers in words are not found in the language fi. "
        "redaction: numbers in words are not found in the language fi."
    )


async def test_what_cannot_be_used_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    bad = RecognitionConfig(replacements=(Replacement("fine", "x"), Replacement("(", "", regex=True)))
    async with in_process_service(tmp_path) as service:
        uri = service.audio("a.wav")
        with pytest.raises(InvalidArgumentError) as refused:
            await service.submit.job(TENANT, NewJob(uri, config=bad))
        assert [violation.field for violation in refused.value.violations] == ["job.config.replacements[1]"]
        with pytest.raises(InvalidArgumentError) as refused:
            await service.submit.batch(TENANT, NewBatch(ManifestInput((ManifestEntry(uri, config=bad),))))
        assert [v.field for v in refused.value.violations] == ["batch.input.manifest.files[0].config.replacements[1]"]


async def test_a_named_language_in_which_it_cannot_be_had_is_refused(tmp_path: Path) -> None:
    # The scripted model knows English alone, so the language itself is blamed too.
    config = RecognitionConfig(language="fi", smart_formatting=True, disfluency_removal=True, redaction=Redaction())
    async with in_process_service(tmp_path) as service:
        with pytest.raises(InvalidArgumentError) as refused:
            await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=config))
    blamed = {violation.field for violation in refused.value.violations}
    assert blamed == {f"job.config.{name}" for name in ("language", "smart_formatting", "disfluency_removal")}


async def test_replacements_that_grow_a_text_without_bounds_fail_that_job_alone(tmp_path: Path) -> None:
    growing = RecognitionConfig(replacements=(Replacement(r"\w", "x" * 500, regex=True),) * 3)
    async with in_process_service(tmp_path) as service:
        grown = await service.submit.job(TENANT, NewJob(service.audio("a.wav"), config=growing))
        plain = await service.submit.job(TENANT, NewJob(service.audio("b.wav")))
        grown, plain = await service.ended(grown), await service.ended(plain)
    assert grown.error is not None
    assert grown.error.reason is Reason.TEXT_TOO_LONG
    assert plain.state is State.SUCCEEDED
