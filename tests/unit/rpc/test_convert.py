"""Conversions between the domain and the messages lose nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe.outputs import format_suffix
from batchscribe.v1 import batch_pb2, event_pb2, job_pb2, recognition_pb2, state_pb2, storage_pb2, transcript_pb2
from batchscribe_server.domain.batch import (
    Batch,
    BatchInput,
    Counts,
    ManifestEntry,
    ManifestInput,
    PrefixInput,
    Report,
    SingleInput,
)
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.event import (
    BatchJobChanged,
    BatchProgressed,
    Event,
    EventDetail,
    JobProgressed,
    SegmentHeard,
    StateChanged,
)
from batchscribe_server.domain.job import Failure, Job, OutputFile, State
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.domain.recognition import (
    Decoding,
    Diarization,
    DiarizationMode,
    LanguageDetection,
    OnConflict,
    OperatingPoint,
    OutputConfig,
    OutputLayout,
    ProfanityFilter,
    RecognitionConfig,
    Redaction,
    RedactionCategory,
    Replacement,
    SubtitleConfig,
    SummaryConfig,
    SummaryLength,
    SummaryStyle,
    Task,
    TranscriptFormat,
    UnsureLanguage,
    VoiceActivity,
)
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription, Segment, Word
from batchscribe_server.operations.transcriber import TranscriberStatus
from batchscribe_server.operations.watch import Heartbeat, Snapshot
from batchscribe_server.rpc.convert_batch import batch_message, new_batch
from batchscribe_server.rpc.convert_event import batch_event_message, job_event_message
from batchscribe_server.rpc.convert_job import job_message, new_job
from batchscribe_server.rpc.convert_model import model_message
from batchscribe_server.rpc.convert_recognition import recognition_config, recognition_config_message
from batchscribe_server.rpc.convert_state import failure_message, state_message
from batchscribe_server.rpc.convert_storage import (
    output_config,
    output_config_message,
    transcript_format,
    transcript_format_message,
)
from batchscribe_server.rpc.convert_time import duration, duration_ms
from batchscribe_server.rpc.languages import WHISPER_LANGUAGES
from batchscribe_server.rpc.merge_config import overlay

NOW = datetime(2026, 11, 22, 12, 30, 15, 250_000, tzinfo=UTC)

fractions = st.integers(1, 999).map(lambda thousandths: thousandths / 1_000)
milliseconds = st.one_of(st.none(), st.integers(0, 60_000))
texts = st.text(max_size=20)

configs = st.builds(
    RecognitionConfig,
    language=st.sampled_from(["", *sorted(WHISPER_LANGUAGES)]),
    model=st.sampled_from(["", "base", "org/whisper-small"]),
    task=st.sampled_from(Task),
    operating_point=st.sampled_from(OperatingPoint),
    word_time_offsets=st.booleans(),
    word_confidence=st.booleans(),
    voice_activity=st.builds(
        VoiceActivity,
        enabled=st.one_of(st.none(), st.booleans()),
        threshold=st.one_of(st.none(), fractions),
        min_silence_ms=milliseconds,
        min_speech_ms=milliseconds,
        speech_pad_ms=milliseconds,
    ),
    hotwords=st.lists(texts, max_size=3).map(tuple),
    initial_prompt=texts,
    detection=st.builds(
        LanguageDetection,
        candidates=st.lists(st.sampled_from(sorted(WHISPER_LANGUAGES)), unique=True, max_size=3).map(tuple),
        threshold=fractions,
        unsure=st.sampled_from(UnsureLanguage),
        default=st.sampled_from(["", "de"]),
    ),
    channel_separation=st.booleans(),
    diarization=st.one_of(
        st.none(),
        st.builds(
            Diarization,
            mode=st.sampled_from(DiarizationMode),
            min_speakers=st.integers(0, 3),
            max_speakers=st.integers(0, 9),
            channel_labels=st.lists(texts, max_size=3).map(tuple),
        ),
    ),
    disfluency_removal=st.booleans(),
    smart_formatting=st.booleans(),
    replacements=st.lists(st.builds(Replacement, texts, texts, st.booleans()), max_size=3).map(tuple),
    profanity_filter=st.sampled_from(ProfanityFilter),
    redaction=st.none() | st.builds(Redaction, st.lists(st.sampled_from(RedactionCategory), unique=True).map(tuple)),
    enable_entities=st.booleans(),
    speech_analytics=st.booleans(),
    summary=st.one_of(
        st.none(),
        st.builds(SummaryConfig, style=st.sampled_from(SummaryStyle), length=st.sampled_from(SummaryLength)),
    ),
    start_offset_ms=st.integers(0, 9_000),
    end_offset_ms=st.integers(0, 9_000),
    decoding=st.builds(
        Decoding,
        beam_size=st.integers(0, 10),
        temperatures=st.lists(fractions, max_size=3).map(tuple),
        length_penalty=st.one_of(st.none(), fractions),
        repetition_penalty=st.one_of(st.none(), fractions),
        no_repeat_ngram_size=st.integers(0, 10),
        compression_ratio_threshold=st.one_of(st.none(), fractions),
        log_prob_threshold=st.one_of(st.none(), fractions.map(lambda fraction: -fraction)),
        no_speech_threshold=st.one_of(st.none(), fractions),
        suppressed_phrases=st.lists(texts, max_size=3).map(tuple),
    ),
)

outputs = st.builds(
    OutputConfig,
    layout=st.sampled_from(OutputLayout),
    uri=st.sampled_from(["file:///out/", "file:///out/a.txt"]),
    formats=st.lists(st.sampled_from(TranscriptFormat), min_size=1, unique=True).map(tuple),
    on_conflict=st.sampled_from(OnConflict),
    remove_stale=st.booleans(),
    write_notice=st.booleans(),
    write_report=st.booleans(),
    subtitles=st.builds(
        SubtitleConfig,
        max_line_width=st.integers(10, 200),
        max_lines=st.integers(1, 10),
        max_chars_per_second=st.integers(10, 1_000).map(lambda tenths: tenths / 10),
        start_index=st.integers(0, 1_000),
    ),
)

uris = st.sampled_from(["file:///in/a.wav", "media/0199-ab"])
inputs: st.SearchStrategy[BatchInput] = st.one_of(
    st.builds(SingleInput, uris),
    st.builds(
        PrefixInput,
        st.just("file:///in/"),
        st.lists(texts, max_size=2).map(tuple),
        st.lists(texts, max_size=2).map(tuple),
    ),
    st.builds(ManifestInput, st.lists(st.builds(ManifestEntry, uris, texts), min_size=1, max_size=3).map(tuple)),
)


@given(configs)
def test_recognition_configs_survive_the_way_there_and_back(config: RecognitionConfig) -> None:
    wire = recognition_config_message(config).SerializeToString()
    assert recognition_config(recognition_pb2.RecognitionConfig.FromString(wire)) == config


@given(outputs)
def test_output_configs_survive_the_way_there_and_back(output: OutputConfig) -> None:
    wire = output_config_message(output).SerializeToString()
    assert output_config(storage_pb2.OutputConfig.FromString(wire)) == output


def test_an_output_that_the_service_keeps_has_no_layout() -> None:
    message = output_config_message(OutputConfig())
    assert message.layout == storage_pb2.OUTPUT_LAYOUT_UNSPECIFIED
    assert output_config(message) == output_config(storage_pb2.OutputConfig()) == OutputConfig()


@given(inputs, configs, outputs)
def test_a_batch_shows_what_was_asked_for(input: BatchInput, config: RecognitionConfig, output: OutputConfig) -> None:
    batch = Batch("b", input, NOW, NOW, display_name="n", labels={"a": "b"}, priority=3, config=config, output=output)
    asked = new_batch(batch_pb2.Batch.FromString(batch_message(batch).SerializeToString()))
    assert (asked.input, asked.config, asked.output) == (input, config, output)
    assert (asked.display_name, asked.labels, asked.priority) == ("n", {"a": "b"}, 3)


@given(configs, configs)
def test_what_differs_of_a_manifest_entrys_config_is_shown(own: RecognitionConfig, base: RecognitionConfig) -> None:
    input = ManifestInput((ManifestEntry("file:///a", config=own), ManifestEntry("file:///b", config=base)))
    message = batch_message(Batch("b", input, NOW, NOW, config=base))
    differing, same = message.input.manifest.files
    assert recognition_config(overlay(message.config, differing.config, differing.config_mask)) == own
    assert (same.config.ByteSize(), same.config_mask) == (0, "")


@given(uris, configs, outputs)
def test_a_job_shows_what_was_asked_for(uri: str, config: RecognitionConfig, output: OutputConfig) -> None:
    job = Job("j", uri, NOW, NOW, reference_id="r", config=config, output=output)
    asked = new_job(job_pb2.Job.FromString(job_message(job).SerializeToString()))
    assert (asked.input_uri, asked.config, asked.output, asked.reference_id) == (uri, config, output, "r")


@given(st.integers(0, 10**12))
def test_durations_are_exact_to_the_millisecond(value_ms: int) -> None:
    assert duration_ms(duration(value_ms)) == value_ms


def test_every_field_of_a_finished_job_is_told() -> None:
    job = Job(
        "j",
        "file:///in/a.wav",
        NOW,
        NOW + timedelta(seconds=1),
        batch_id="b",
        state=State.FAILED,
        attempt=2,
        sequence=9,
        media=MediaDescription("wav", "pcm_s16le", 16_000, 2, 5_000),
        audio_duration_ms=5_000,
        processed_ms=2_500,
        model="base",
        detected_language=DetectedLanguage("de", 0.5),
        outputs=(OutputFile(TranscriptFormat.SRT, "file:///out/a.srt", 12),),
        error=Failure(Reason.DECODE_FAILED, "broken"),
        warning="a corrupt tail",
        start_time=NOW,
        finish_time=NOW,
    )
    message = job_message(job)
    assert message.name == "jobs/j"
    assert message.batch == "batches/b"
    assert message.progress == 0.5
    assert message.audio_duration.ToMilliseconds() == 5_000
    assert message.media_info == job_pb2.MediaInfo(
        container="wav", codec="pcm_s16le", sample_rate_hz=16_000, channels=2
    )
    assert message.detected_language == transcript_pb2.DetectedLanguage(code="de", confidence=0.5)
    assert message.outputs[0] == job_pb2.OutputFile(
        format=storage_pb2.TRANSCRIPT_FORMAT_SRT, uri="file:///out/a.srt", size_bytes=12
    )
    assert message.error == state_pb2.JobError(reason="DECODE_FAILED", message="broken")
    assert message.warning == "a corrupt tail"
    assert message.create_time.ToDatetime(UTC) == NOW
    assert message.finish_time.ToDatetime(UTC) == NOW


def test_what_is_not_known_of_a_job_is_unset() -> None:
    message = job_message(Job("j", "file:///a", NOW, NOW))
    for name in ("audio_duration", "media_info", "detected_language", "error", "start_time", "finish_time"):
        assert not message.HasField(name), name
    assert message.batch == ""


def test_each_change_gives_another_etag_and_each_resource_its_own() -> None:
    etags = {
        job_message(Job(id, "file:///a", NOW, NOW, sequence=sequence)).etag for id in ("a", "b") for sequence in (1, 2)
    }
    assert len(etags) == 4


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_namesake(state: State) -> None:
    assert state_pb2.State.Name(state_message(state)) == f"STATE_{state.name}"


@pytest.mark.parametrize("source", ModelSource)
def test_every_model_source_has_its_namesake(source: ModelSource) -> None:
    model = Model("base", source, "", 0, ("en", "de"))
    message = model_message(model, TranscriberStatus(ready=True, loaded_models=("base",), device="cpu"))
    assert source.name in str(message)
    assert (message.name, message.installed, message.loaded, message.translates) == ("models/base", False, True, True)


def test_a_batch_tells_how_long_it_is_kept_and_of_its_report() -> None:
    batch = Batch(
        "b",
        SingleInput("file:///a"),
        NOW,
        NOW,
        retention_ms=1_500,
        expire_time=NOW,
        report_uri="file:///out/b.report.jsonl",
        warning="no room",
    )
    message = batch_message(batch)
    assert (message.retention.ToMilliseconds(), message.expire_time.ToDatetime(UTC)) == (1_500, NOW)
    assert (message.report_uri, message.warning) == ("file:///out/b.report.jsonl", "no room")
    assert new_batch(message).retention_ms == 1_500
    kept_for_ever = batch_message(Batch("b", SingleInput("file:///a"), NOW, NOW))
    assert not kept_for_ever.HasField("retention")
    assert not kept_for_ever.HasField("expire_time")
    assert new_batch(kept_for_ever).retention_ms is None


def test_a_batch_whose_report_is_due_is_being_written() -> None:
    batch = Batch("b", SingleInput("file:///a"), NOW, NOW, state=State.RUNNING, scanned=True, report=Report.DUE)
    assert batch_message(batch).stage == state_pb2.STAGE_WRITING


@pytest.mark.parametrize(
    ("state", "scanned", "stage"),
    [
        (State.INITIALIZING, False, state_pb2.STAGE_SCANNING),
        (State.RUNNING, False, state_pb2.STAGE_SCANNING),
        (State.QUEUED, True, state_pb2.STAGE_UNSPECIFIED),
        (State.RUNNING, True, state_pb2.STAGE_TRANSCRIBING),
        (State.SUCCEEDED, True, state_pb2.STAGE_UNSPECIFIED),
    ],
)
def test_stages_of_a_batch(state: State, scanned: bool, stage: int) -> None:
    assert batch_message(Batch("b", SingleInput("file:///a"), NOW, NOW, state=state, scanned=scanned)).stage == stage


def event(detail: EventDetail) -> Event:
    return Event("jobs/j", 7, NOW, detail)


SEGMENT = Segment(0, 1_000, 2_500, "Hello there.", "en", 0.5, (Word("Hello", 1_000, 1_500, 0.25),))


def test_events_of_a_job() -> None:
    config = RecognitionConfig(word_confidence=True)
    progress = job_event_message(event(JobProgressed(2_500, 10_000)), config)
    assert (progress.sequence, progress.event_time.ToDatetime(UTC)) == (7, NOW)
    assert progress.progress.progress == 0.25
    assert progress.progress.audio_duration.ToMilliseconds() == 10_000
    unknown = job_event_message(event(JobProgressed(2_500, 0)), config)
    assert (unknown.progress.progress, unknown.progress.HasField("audio_duration")) == (0.0, False)
    segment = job_event_message(event(SegmentHeard(SEGMENT)), config).segment
    assert (segment.text, segment.start.ToMilliseconds(), segment.confidence) == ("Hello there.", 1_000, 0.5)
    assert segment.words[0].confidence == 0.25
    failure = Failure(Reason.NO_AUDIO, "silent")
    change = job_event_message(event(StateChanged(State.FAILED, 2, failure)), config).state_change
    assert change == event_pb2.StateChange(state=state_pb2.STATE_FAILED, attempt=2, error=failure_message(failure))
    snapshot = job_event_message(Snapshot(Job("j", "file:///a", NOW, NOW), 3, NOW), config)
    assert (snapshot.sequence, snapshot.snapshot.name) == (3, "jobs/j")
    assert job_event_message(Heartbeat(7, NOW), config).WhichOneof("event") == "heartbeat"
    with pytest.raises(TypeError):
        job_event_message(event(BatchProgressed(Counts())), config)


def test_events_of_a_batch() -> None:
    counts = Counts(total=2, succeeded=1, running=1, opened=2, audio_total_ms=4_000, audio_done_ms=1_000)
    progress = batch_event_message(event(BatchProgressed(counts))).progress
    assert (progress.progress, progress.counts.total, progress.counts.audio_done.ToMilliseconds()) == (0.25, 2, 1_000)
    changed = BatchJobChanged("j", "file:///a", State.RUNNING)
    assert batch_event_message(event(changed)).job_change == event_pb2.BatchJobChange(
        job="jobs/j", input_uri="file:///a", state=state_pb2.STATE_RUNNING, file_name="a"
    )
    uploaded = BatchJobChanged("j", "media/01a2", State.RUNNING, input_name="call 1.wav")
    assert batch_event_message(event(uploaded)).job_change.file_name == "call 1.wav"
    assert batch_event_message(event(StateChanged(State.SUCCEEDED))).state_change.state == state_pb2.STATE_SUCCEEDED
    batch = Batch("b", SingleInput("file:///a"), NOW, NOW)
    assert batch_event_message(Snapshot(batch, 3, NOW)).snapshot.name == "batches/b"
    assert batch_event_message(Heartbeat(7, NOW)).WhichOneof("event") == "heartbeat"
    with pytest.raises(TypeError):
        batch_event_message(event(SegmentHeard(SEGMENT)))


@pytest.mark.parametrize("format", TranscriptFormat)
def test_clients_name_files_as_the_server_does(format: TranscriptFormat) -> None:
    message = transcript_format_message(format)
    assert transcript_format(message) is format
    assert format_suffix(message) == format.value
