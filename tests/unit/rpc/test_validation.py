"""What each request must look like; every test names the field that is to be blamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from batchscribe.v1 import batch_service_pb2 as batches
from batchscribe.v1 import job_service_pb2 as jobs
from batchscribe.v1 import model_service_pb2 as models
from batchscribe.v1 import storage_pb2
from batchscribe_server.domain.errors import InvalidArgumentError
from batchscribe_server.rpc import validate_requests as validate


def job_request(text: str = "", *, uri: str = "file:///in/a.wav") -> jobs.CreateJobRequest:
    request = text_format.Parse(text, jobs.CreateJobRequest())
    if request.job.input.WhichOneof("source") is None:
        request.job.input.uri = uri
    return request


def batch_request(text: str = "") -> batches.CreateBatchRequest:
    request = text_format.Parse(text, batches.CreateBatchRequest())
    if request.batch.input.WhichOneof("source") is None:
        request.batch.input.prefix.uri = "file:///in/"
    return request


def violations(check: Callable[[Any], object], request: Message) -> dict[str, str]:
    try:
        check(request)
    except InvalidArgumentError as error:
        return {violation.field: violation.reason for violation in error.violations}
    return {}


GOOD_JOBS = [
    "job { config { enable_entities: true speech_analytics: true summary { style: STYLE_BULLETS } } }",
    "job { config { summary { } } }",
    "job { config { summary { style: STYLE_PARAGRAPHS length: LENGTH_LONG } } "
    'output { uri: "file:///out/" formats: [TRANSCRIPT_FORMAT_JSON, TRANSCRIPT_FORMAT_SUMMARY] } }',
    "",
    "job { retention { seconds: 1 } }",
    "job { retention { seconds: 3155760000 } }",
    'job { config { language: "en-US" } }',
    'job { config { language: "deu" } }',
    'job { config { language: "" task: TASK_TRANSLATE operating_point: OPERATING_POINT_ENHANCED } }',
    "job { config { vad { mode: MODE_NONE threshold: 0.5 min_silence { nanos: 500000000 } speech_pad { } } } }",
    "job { config { vad { threshold: 0.99 min_speech { seconds: 60 } speech_pad { seconds: 5 } } } }",
    "job { config { operating_point: OPERATING_POINT_SEQUENTIAL decoding { beam_size: 1 } word_time_offsets: true } }",
    "job { config { operating_point: OPERATING_POINT_SEQUENTIAL vad { mode: MODE_AUTO threshold: 0.5 } } }",
    "job { config { decoding { beam_size: 10 temperatures: [0, 0.5, 1] } } }",
    'job { config { candidate_languages: ["de", "en-GB"] language_confidence_threshold: 0.5 } }',
    """job { config { language_confidence_threshold: 0.5 low_confidence_action: LOW_CONFIDENCE_ACTION_USE_DEFAULT
       default_language: "de" } }""",
    "job { config { start_offset { nanos: 500000000 } end_offset { seconds: 1 } } }",
    "job { config { decoding { length_penalty: 0 repetition_penalty: 1.2 no_repeat_ngram_size: 3 } } }",
    "job { config { channel_separation: true } output { uri: 'file:///out/' file_per_channel: true } }",
    'job { config { diarization { mode: MODE_CHANNEL channel_labels: ["Agent", "Caller"] } } }',
    "job { config { diarization { mode: MODE_SPEAKER min_speakers: 2 max_speakers: 2 } } }",
    'job { config { diarization { mode: MODE_CHANNEL_AND_SPEAKER max_speakers: 20 channel_labels: "Agent" } } }',
    'job { config { channel_separation: true diarization { mode: MODE_CHANNEL channel_labels: "Agent" } } }',
    'job { config { hotwords: ["Kubernetes"] initial_prompt: "Minutes." } }',
    'job { config { replacements { from: "cube control" to: "kubectl" } replacements { from: "(a)" regex: true } } }',
    "job { config { redaction { enabled: true } smart_formatting: true disfluency_removal: true } }",
    "job { config { redaction { enabled: true categories: [CATEGORY_NUMBERS, CATEGORY_EMAIL_ADDRESSES] } } }",
    "job { config { redaction { } profanity_filter: PROFANITY_FILTER_NONE } }",
    'job { labels { key: "team" value: "" } priority: -100 display_name: "Grüße" }',
    'job { input { media: "media/0199-ab" } }',
    'job { input { media: "media/0199-ab" } output { uri: "file:///out/" } }',
    'job { input { uri: "https://h/a.wav?sig=x" } output { uri: "file:///out/" } }',
    'job { input { uri: "HTTP://h:8080/a.wav" } output { layout: OUTPUT_LAYOUT_SINGLE uri: "s3://b/a.json" } }',
    'job { output { layout: OUTPUT_LAYOUT_SINGLE uri: "file:///out/a.txt" formats: [TRANSCRIPT_FORMAT_TEXT] } }',
    "job { output { layout: OUTPUT_LAYOUT_ADJACENT write_notice: false } }",
    "job { output { subtitles { max_line_width: 10 max_lines: 10 max_chars_per_second: 1 start_index: 0 } } }",
    'job_id: "call" request_id: "0b7f5a43-6f0e-4c59-9d0a-7f1d5ed0a9d2" validate_only: true',
    'job { name: "whatever" state: STATE_FAILED }',
]


@pytest.mark.parametrize("text", GOOD_JOBS)
def test_good_jobs_pass(text: str) -> None:
    assert violations(validate.check_create_job, job_request(text)) == {}


BAD_JOBS = [
    ("job { config { summary { length: LENGTH_LONG } } }", "job.config.summary.style"),
    ("job { output { formats: [TRANSCRIPT_FORMAT_SUMMARY] } }", "job.output.formats"),
    (
        "job { config { summary { } } output { formats: [TRANSCRIPT_FORMAT_JSON, TRANSCRIPT_FORMAT_SUMMARY] } }",
        "job.output.formats",
    ),
    ("job { retention { seconds: 3155760000 nanos: 1000000 } }", "job.retention"),
    ("job { retention { nanos: 999999999 } }", "job.retention"),
    ('job { output { uri: "file:///out/" write_report: true } }', "job.output.write_report"),
    ('job { config { language: "klingon" } }', "job.config.language"),
    ('job { config { language: "-" } }', "job.config.language"),
    ("job { config { vad { threshold: 0 } } }", "job.config.vad.threshold"),
    ("job { config { vad { threshold: 1 } } }", "job.config.vad.threshold"),
    ("job { config { vad { threshold: nan } } }", "job.config.vad.threshold"),
    ("job { config { vad { min_silence { seconds: -1 } } } }", "job.config.vad.min_silence"),
    ("job { config { vad { min_speech { nanos: -1 } } } }", "job.config.vad.min_speech"),
    ("job { config { vad { min_silence { seconds: 61 } } } }", "job.config.vad.min_silence"),
    ("job { config { vad { speech_pad { seconds: 5 nanos: 1000000 } } } }", "job.config.vad.speech_pad"),
    (
        "job { config { operating_point: OPERATING_POINT_SEQUENTIAL vad { threshold: 0.5 } } }",
        "job.config.vad.threshold",
    ),
    (
        "job { config { operating_point: OPERATING_POINT_SEQUENTIAL vad { speech_pad { seconds: 1 } } } }",
        "job.config.vad.speech_pad",
    ),
    ("job { config { decoding { beam_size: 11 } } }", "job.config.decoding.beam_size"),
    ("job { config { decoding { beam_size: -1 } } }", "job.config.decoding.beam_size"),
    ("job { config { decoding { temperatures: [0, 1.1] } } }", "job.config.decoding.temperatures[1]"),
    ("job { config { decoding { temperatures: [nan] } } }", "job.config.decoding.temperatures[0]"),
    ('job { config { language: "en" candidate_languages: "de" } }', "job.config.candidate_languages"),
    ('job { config { candidate_languages: ["de", "xx"] } }', "job.config.candidate_languages[1]"),
    ("job { config { language_confidence_threshold: 1.5 } }", "job.config.language_confidence_threshold"),
    (
        "job { config { low_confidence_action: LOW_CONFIDENCE_ACTION_FAIL } }",
        "job.config.language_confidence_threshold",
    ),
    (
        "job { config { low_confidence_action: LOW_CONFIDENCE_ACTION_USE_DEFAULT language_confidence_threshold: 1 } }",
        "job.config.default_language",
    ),
    ('job { config { default_language: "de" } }', "job.config.default_language"),
    ("job { config { start_offset { seconds: 2 } end_offset { seconds: 2 } } }", "job.config.end_offset"),
    ("job { config { start_offset { seconds: -1 } } }", "job.config.start_offset"),
    ('job { config { decoding { suppressed_phrases: " " } } }', "job.config.decoding.suppressed_phrases[0]"),
    ("job { config { decoding { length_penalty: 2.1 } } }", "job.config.decoding.length_penalty"),
    ("job { config { decoding { repetition_penalty: nan } } }", "job.config.decoding.repetition_penalty"),
    ("job { config { decoding { no_repeat_ngram_size: -1 } } }", "job.config.decoding.no_repeat_ngram_size"),
    ("job { config { decoding { no_speech_threshold: 1.01 } } }", "job.config.decoding.no_speech_threshold"),
    ("job { config { decoding { log_prob_threshold: 0.1 } } }", "job.config.decoding.log_prob_threshold"),
    ("job { config { diarization { } } }", "job.config.diarization.mode"),
    (
        "job { config { diarization { mode: MODE_SPEAKER min_speakers: 3 max_speakers: 2 } } }",
        "job.config.diarization.min_speakers",
    ),
    (
        "job { config { diarization { mode: MODE_SPEAKER max_speakers: 21 } } }",
        "job.config.diarization.max_speakers",
    ),
    (
        "job { config { diarization { mode: MODE_SPEAKER min_speakers: -1 } } }",
        "job.config.diarization.min_speakers",
    ),
    (
        "job { config { diarization { mode: MODE_CHANNEL max_speakers: 2 } } }",
        "job.config.diarization.max_speakers",
    ),
    (
        'job { config { diarization { mode: MODE_SPEAKER channel_labels: "Agent" } } }',
        "job.config.diarization.channel_labels",
    ),
    (
        "job { config { channel_separation: true operating_point: OPERATING_POINT_SEQUENTIAL } }",
        "job.config.channel_separation",
    ),
    (
        "job { config { diarization { mode: MODE_CHANNEL } operating_point: OPERATING_POINT_SEQUENTIAL } }",
        "job.config.diarization.mode",
    ),
    (
        'job { config { diarization { mode: MODE_CHANNEL channel_labels: ["Agent", "Agent"] } } }',
        "job.config.diarization.channel_labels[1]",
    ),
    (
        'job { config { diarization { mode: MODE_CHANNEL channel_labels: ["Agent", " "] } } }',
        "job.config.diarization.channel_labels[1]",
    ),
    (
        f"job {{ config {{ diarization {{ mode: MODE_CHANNEL channel_labels: {json.dumps(list('0123456789'))} }} }} }}",
        "job.config.diarization.channel_labels",
    ),
    ("job { output { uri: 'file:///out/' file_per_channel: true } }", "job.output.file_per_channel"),
    ("job { config { channel_separation: true } output { file_per_channel: true } }", "job.output.file_per_channel"),
    ('job { config { hotwords: ["good", " "] } }', "job.config.hotwords[1]"),
    (f'job {{ config {{ initial_prompt: "{"x" * 2_001}" }} }}', "job.config.initial_prompt"),
    ('job { config { replacements { from: "a" } replacements { to: "b" } } }', "job.config.replacements[1].from"),
    ('job { config { replacements { from: " " } } }', "job.config.replacements[0].from"),
    (f'job {{ config {{ replacements {{ from: "{"x" * 201}" }} }} }}', "job.config.replacements[0].from"),
    (f'job {{ config {{ replacements {{ from: "a" to: "{"x" * 501}" }} }} }}', "job.config.replacements[0].to"),
    ('job { config { replacements { from: "a" to: "b\\nc" } } }', "job.config.replacements[0].to"),
    ("job { config { " + 'replacements { from: "a" } ' * 101 + "} }", "job.config.replacements"),
    ("job { config { redaction { categories: CATEGORY_NUMBERS } } }", "job.config.redaction.categories"),
    (
        "job { config { redaction { enabled: true categories: [CATEGORY_NUMBERS, CATEGORY_NUMBERS] } } }",
        "job.config.redaction.categories[1]",
    ),
    (f'job {{ display_name: "{"x" * 256}" }}', "job.display_name"),
    ('job { reference_id: "a\\nb" }', "job.reference_id"),
    ('job { labels { key: "" value: "x" } }', "job.labels"),
    (f'job {{ labels {{ key: "{"k" * 64}" value: "x" }} }}', "job.labels"),
    (f'job {{ labels {{ key: "team" value: "{"v" * 256}" }} }}', "job.labels['team']"),
    ("job { priority: 101 }", "job.priority"),
    ('job { input { prefix { uri: "file:///in/" } } }', "job.input.prefix"),
    ('job { input { manifest { files { uri: "file:///a" } } } }', "job.input.manifest"),
    ('job { input { media: "jobs/1" } }', "job.input.media"),
    ('job { input { media: "media/../x" } }', "job.input.media"),
    ('job { input { media: "media/x" } output { layout: OUTPUT_LAYOUT_ADJACENT } }', "job.output.layout"),
    ('job { input { uri: "https://h/x" } output { layout: OUTPUT_LAYOUT_ADJACENT } }', "job.output.layout"),
    ('job { output { uri: "https://h/out/" } }', "job.output.uri"),
    ('job { output { layout: OUTPUT_LAYOUT_SINGLE uri: "HTTP://h/a.json" } }', "job.output.uri"),
    ("job { output { layout: OUTPUT_LAYOUT_SINGLE } }", "job.output.uri"),
    ('job { output { layout: OUTPUT_LAYOUT_SINGLE uri: "file:///in/b.wav" } }', "job.output.uri"),
    ('job { output { layout: OUTPUT_LAYOUT_SINGLE uri: "file:///in/onnxruntime.py" } }', "job.output.uri"),
    ('job { output { layout: OUTPUT_LAYOUT_SINGLE uri: "s3://b/secrets.key" } }', "job.output.uri"),
    ('job { output { layout: OUTPUT_LAYOUT_SINGLE uri: "az://b/json" } }', "job.output.uri"),
    (
        'job { output { layout: OUTPUT_LAYOUT_SINGLE uri: "s3://b/a.json" formats: TRANSCRIPT_FORMAT_SRT } }',
        "job.output.uri",
    ),
    ('job { output { layout: OUTPUT_LAYOUT_SINGLE uri: "s3://bucket" } }', "job.output.uri"),
    ("job { output { layout: OUTPUT_LAYOUT_PREFIX } }", "job.output.uri"),
    ('job { output { layout: OUTPUT_LAYOUT_ADJACENT uri: "file:///out/" } }', "job.output.uri"),
    ('job { output { uri: "/out" } }', "job.output.uri"),
    ("job { output { subtitles { max_line_width: 9 } } }", "job.output.subtitles.max_line_width"),
    ("job { output { subtitles { max_lines: 11 } } }", "job.output.subtitles.max_lines"),
    ("job { output { subtitles { max_chars_per_second: -1 } } }", "job.output.subtitles.max_chars_per_second"),
    ("job { output { subtitles { start_index: -1 } } }", "job.output.subtitles.start_index"),
    ('job_id: "abc"', "job_id"),
    ('job_id: "Upper"', "job_id"),
    ('job_id: "-abc"', "job_id"),
    ('job_id: "abcd\\n"', "job_id"),
    ('request_id: "1"', "request_id"),
]


def test_names_of_people_cannot_be_redacted() -> None:
    request = job_request("job { config { redaction { enabled: true categories: [CATEGORY_NAMES] } } }")
    assert violations(validate.check_create_job, request) == {
        "job.config.redaction.categories[0]": "FIELD_NOT_SUPPORTED"
    }


@pytest.mark.parametrize(("text", "field"), BAD_JOBS)
def test_bad_jobs_are_blamed_on_the_field(text: str, field: str) -> None:
    assert violations(validate.check_create_job, job_request(text)) == {field: "INVALID_FIELD"}


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("", "INVALID_FIELD"),
        ("/data/a.wav", "INVALID_FIELD"),
        ("data/a.wav", "INVALID_FIELD"),
        ("ftp://host/a.wav", "INVALID_FIELD"),
        ("file:a.wav", "INVALID_FIELD"),
        ("media/abc", "INVALID_FIELD"),
        ("file:///" + "x" * 4_096, "INVALID_FIELD"),
        ("s3:bucket/key", "INVALID_FIELD"),
        ("az:container/blob", "INVALID_FIELD"),
        ("https:host/a.wav", "INVALID_FIELD"),
        ("https:///" + "x" * 4_096, "INVALID_FIELD"),
    ],
)
def test_only_uris_of_files_buckets_and_web_servers_are_taken(uri: str, reason: str) -> None:
    request = jobs.CreateJobRequest()
    request.job.input.uri = uri
    assert violations(validate.check_create_job, request) == {"job.input.uri": reason}


@pytest.mark.parametrize("uri", ["file:///in/a.wav", "s3://bucket/a 1%2F.wav", "az://container/a 1%2F.wav", "AZ://c/"])
def test_files_and_buckets_are_taken_as_inputs_prefixes_and_outputs(uri: str) -> None:
    job = job_request(uri=uri)
    job.job.output.uri = uri
    assert violations(validate.check_create_job, job) == {}
    batch = batches.CreateBatchRequest()
    batch.batch.input.prefix.uri = batch.batch.output.uri = uri
    assert violations(validate.check_create_batch, batch) == {}


def test_a_job_and_its_input_are_required() -> None:
    assert violations(validate.check_create_job, jobs.CreateJobRequest()) == {"job": "INVALID_FIELD"}
    request = jobs.CreateJobRequest()
    request.job.SetInParent()
    assert violations(validate.check_create_job, request) == {"job.input": "INVALID_FIELD"}
    assert violations(validate.check_create_batch, batches.CreateBatchRequest()) == {"batch": "INVALID_FIELD"}


GOOD_BATCHES = [
    "",
    'batch { input { prefix { uri: "file:///in/" include_globs: ["**/*.{wav,mp3}"] exclude_globs: ["tmp/**"] } } }',
    'batch { input { uri: "file:///in/a.wav" } output { layout: OUTPUT_LAYOUT_SINGLE uri: "file:///out/a.json" } }',
    'batch { input { manifest { files { uri: "file:///a" config { language: "fr" } config_mask: "language,vad" } } } }',
    'batch { input { manifest { files { uri: "media/abcd" } } } }',
    'batch { input { manifest { files { uri: "file:///a" config { summary { style: STYLE_BULLETS } } } } } '
    "output { formats: [TRANSCRIPT_FORMAT_SUMMARY] } }",
    'batch { input { manifest { manifest_uri: "s3://b/list" } } output { formats: [TRANSCRIPT_FORMAT_SUMMARY] } }',
    'batch { input { manifest { manifest_uri: "s3://b/list" } } }',
    'batch { input { manifest { manifest_uri: "s3://b/list" } } output { uri: "s3://b/out/" file_per_channel: true } }',
    """batch { input { manifest { files { uri: "file:///a" config { diarization { channel_labels: "Agent" } } } } }
       config { diarization { mode: MODE_CHANNEL } } }""",
    """batch { input { manifest { files { uri: "file:///a"
       config { low_confidence_action: LOW_CONFIDENCE_ACTION_FAIL } } } }
       config { language_confidence_threshold: 0.5 } }""",
    """batch { input { manifest { files { uri: "file:///a" config { language: "de" }
       config_mask: "language,candidate_languages" } } } config { candidate_languages: "de" } }""",
    """batch { input { manifest { files { uri: "file:///a" config { diarization { mode: MODE_CHANNEL } }
       config_mask: "diarization.mode" } } } output { uri: "file:///out/" file_per_channel: true } }""",
    'batch { input { manifest { manifest_uri: "https://h/list.csv?signature" } } }',
    'batch { input { manifest { manifest_uri: "media/abcd" } } output { layout: OUTPUT_LAYOUT_ADJACENT } }',
    'batch { input { manifest { manifest_uri: "file:///list" } auth { profile: "calls" } } }',
    'batch { input { manifest { files { uri: "https://h/a?x" } files { uri: "http://h/b" } } } }',
]


@pytest.mark.parametrize("text", GOOD_BATCHES)
def test_good_batches_pass(text: str) -> None:
    assert violations(validate.check_create_batch, batch_request(text)) == {}


BAD_BATCHES = [
    ('batch { input { prefix { uri: "https://h/calls/" } } }', {"batch.input.prefix.uri": "INVALID_FIELD"}),
    (
        'batch { input { manifest { files { uri: "https://h/a" } } } output { layout: OUTPUT_LAYOUT_ADJACENT } }',
        {"batch.output.layout": "INVALID_FIELD"},
    ),
    ('batch { input { prefix { uri: "" } } }', {"batch.input.prefix.uri": "INVALID_FIELD"}),
    (
        'batch { input { prefix { uri: "file:///in/" include_globs: ["a", "/abs", ""] } } }',
        {
            "batch.input.prefix.include_globs[1]": "INVALID_FIELD",
            "batch.input.prefix.include_globs[2]": "INVALID_FIELD",
        },
    ),
    (
        'batch { input { prefix { uri: "file:///in/" exclude_globs: ["{1..9}{1..9}{1..9}{1..9}"] } } }',
        {"batch.input.prefix.exclude_globs": "INVALID_FIELD"},
    ),
    (
        'batch { input { manifest { files { uri: "file:///a" } } } output { formats: [TRANSCRIPT_FORMAT_SUMMARY] } }',
        {"batch.output.formats": "INVALID_FIELD"},
    ),
    ("batch { input { manifest { } } }", {"batch.input.manifest.files": "INVALID_FIELD"}),
    (
        'batch { input { manifest { manifest_uri: "list.csv" } } }',
        {"batch.input.manifest.manifest_uri": "INVALID_FIELD"},
    ),
    (
        'batch { input { manifest { manifest_uri: "media/../x" } } }',
        {"batch.input.manifest.manifest_uri": "INVALID_FIELD"},
    ),
    (
        'batch { input { manifest { manifest_uri: "s3://b/list" files { uri: "s3://b/a" } } } }',
        {"batch.input.manifest.manifest_uri": "INVALID_FIELD"},
    ),
    (
        'batch { input { manifest { manifest_uri: "s3://b/l" } } '
        'output { layout: OUTPUT_LAYOUT_SINGLE uri: "s3://b/o.json" } }',
        {"batch.output.layout": "INVALID_FIELD"},
    ),
    (
        'batch { input { manifest { files { uri: "s3://b/a\\000b" } } } }',
        {"batch.input.manifest.files[0].uri": "INVALID_FIELD"},
    ),
    (
        'batch { input { manifest { files { uri: "file:///a" config_mask: "language,nonsense" } } } }',
        {"batch.input.manifest.files[0].config_mask": "INVALID_FIELD"},
    ),
    (
        'batch { input { manifest { files { uri: "file:///a" config_mask: "language_model" } } } }',
        {"batch.input.manifest.files[0].config_mask": "FIELD_NOT_SUPPORTED"},
    ),
    (
        'batch { input { manifest { files { uri: "file:///a" } files { uri: "b" config { language: "xx" } } } } }',
        {
            "batch.input.manifest.files[1].uri": "INVALID_FIELD",
            "batch.input.manifest.files[1].config.language": "INVALID_FIELD",
        },
    ),
    (
        """batch { input { manifest { files { uri: "file:///a" config { channel_separation: true } } } }
           config { operating_point: OPERATING_POINT_SEQUENTIAL } }""",
        {"batch.input.manifest.files[0].config.channel_separation": "INVALID_FIELD"},
    ),
    (
        """batch { input { manifest { files { uri: "file:///a" config { language: "de" } } } }
           config { candidate_languages: "de" } }""",
        {"batch.input.manifest.files[0].config.candidate_languages": "INVALID_FIELD"},
    ),
    (
        """batch { input { manifest { files { uri: "file:///a" config { end_offset { seconds: 5 } } } } }
           config { start_offset { seconds: 10 } } }""",
        {"batch.input.manifest.files[0].config.end_offset": "INVALID_FIELD"},
    ),
    (
        """batch { input { manifest { files { uri: "file:///a" config_mask: "language_confidence_threshold" } } }
           config { language_confidence_threshold: 0.5 low_confidence_action: LOW_CONFIDENCE_ACTION_FAIL } }""",
        {"batch.input.manifest.files[0].config.language_confidence_threshold": "INVALID_FIELD"},
    ),
    # What is wrong with the batch's config is not said of each file as well.
    (
        """batch { input { manifest { files { uri: "file:///a" config { hotwords: " " } } } }
           config { language: "klingon" } }""",
        {
            "batch.config.language": "INVALID_FIELD",
            "batch.input.manifest.files[0].config.hotwords[0]": "INVALID_FIELD",
        },
    ),
    (
        """batch { input { manifest { files { uri: "file:///a" config { channel_separation: true }
           config_mask: "language" } } } output { uri: "file:///out/" file_per_channel: true } }""",
        {"batch.output.file_per_channel": "INVALID_FIELD"},
    ),
    (
        'batch { output { layout: OUTPUT_LAYOUT_SINGLE uri: "file:///out/a.json" } }',
        {"batch.output.layout": "INVALID_FIELD"},
    ),
    (
        'batch { input { manifest { files { uri: "media/abcd" } } } output { layout: OUTPUT_LAYOUT_ADJACENT } }',
        {"batch.output.layout": "INVALID_FIELD"},
    ),
    ('batch { input { location: "eu" } }', {"batch.input.location": "FIELD_NOT_SUPPORTED"}),
    ("batch { output { write_report: true } }", {"batch.output.write_report": "INVALID_FIELD"}),
    (
        'batch { input { manifest { files { uri: "file:///a" } } } '
        "output { layout: OUTPUT_LAYOUT_ADJACENT write_report: true } }",
        {"batch.output.write_report": "INVALID_FIELD"},
    ),
    ("batch { retention { } }", {"batch.retention": "INVALID_FIELD"}),
    ("batch { retention { seconds: -1 } }", {"batch.retention": "INVALID_FIELD"}),
    ("batch { retention { seconds: 315576000000 } }", {"batch.retention": "INVALID_FIELD"}),
]


@pytest.mark.parametrize(("text", "expected"), BAD_BATCHES)
def test_bad_batches_are_blamed_on_their_fields(text: str, expected: dict[str, str]) -> None:
    assert violations(validate.check_create_batch, batch_request(text)) == expected


def test_a_manifest_holds_at_most_a_thousand_files() -> None:
    request = batches.CreateBatchRequest()
    files = request.batch.input.manifest.files
    files.extend(storage_pb2.ManifestEntry(uri=f"file:///{k}") for k in range(1_000))
    assert violations(validate.check_create_batch, request) == {}
    files.add(uri="file:///one-more")
    assert violations(validate.check_create_batch, request) == {"batch.input.manifest.files": "INVALID_FIELD"}


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian with a non-joiner
        "\u00ab\u00a0oui\u00a0\u00bb et 5\u202f%",  # French no-break spaces
        "\u4eca\u65e5\u3000\u6674\u308c",  # an ideographic space
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family, joined
        "\u05d0\u200f!",  # a mark from right to left
        "\U0001fae9\ue000",  # newer than Python's Unicode, and private
    ],
)
def test_every_script_is_taken_in_replacements_labels_and_names(text: str) -> None:
    assert violations(validate.check_create_job, _job_with(text)) == {}


@pytest.mark.parametrize("char", ["\n", "\x1b", "\x9b", "\u2028", "\u202e", "\u2067", "\ufdd0", "\U0010ffff"])
def test_controls_and_what_turns_text_round_are_refused(char: str) -> None:
    text = f"a{char}b"
    assert set(violations(validate.check_create_job, _job_with(text))) == {
        "job.config.replacements[0].to",
        "job.config.diarization.channel_labels[0]",
        "job.display_name",
        "job.labels['name']",
    }


def _job_with(text: str) -> jobs.CreateJobRequest:
    """A job whose texts are all the same."""
    request = job_request()
    config = request.job.config
    config.replacements.add(**{"from": text, "to": text})
    config.diarization.mode = config.diarization.MODE_CHANNEL
    config.diarization.channel_labels.append(text)
    request.job.display_name = request.job.labels["name"] = text
    return request


def test_at_most_64_labels_and_200_hotwords_are_taken() -> None:
    request = job_request()
    for k in range(64):
        request.job.labels[str(k)] = "x"
    request.job.config.hotwords.extend(["word"] * 200)
    assert violations(validate.check_create_job, request) == {}
    request.job.labels["one-more"] = "x"
    request.job.config.hotwords.append("word")
    assert set(violations(validate.check_create_job, request)) == {"job.labels", "job.config.hotwords"}


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (jobs.GetJobRequest(), "name"),
        (jobs.GetJobRequest(name="batches/abcd"), "name"),
        (jobs.GetJobRequest(name="jobs/"), "name"),
        (jobs.GetJobRequest(name="jobs/a/b"), "name"),
        (text_format.Parse('name: "jobs/a" wait { seconds: 301 }', jobs.GetJobRequest()), "wait"),
        (text_format.Parse('name: "jobs/a" wait { seconds: -1 }', jobs.GetJobRequest()), "wait"),
        (jobs.WatchJobRequest(name="jobs/a", after_sequence=-1), "after_sequence"),
        (jobs.GetTranscriptRequest(name="jobs/a", channel=-1), "channel"),
        (jobs.GetTranscriptRequest(name="jobs/a", format=99), "format"),  # type: ignore[arg-type]  # there is none such
    ],
)
def test_requests_that_name_a_job(request_message: validate.NamedRequest, field: str) -> None:
    assert list(violations(lambda request: validate.check_named(request, "jobs"), request_message)) == [field]


def test_the_id_is_read_from_the_name() -> None:
    assert validate.check_named(jobs.CancelJobRequest(name="jobs/call-1"), "jobs") == "call-1"
    assert validate.check_get_model(models.GetModelRequest(name="models/org/whisper")) == "org/whisper"


def test_listings_have_bounds_and_defaults() -> None:
    def size(request: jobs.ListJobsRequest) -> int:
        return validate.read_list_jobs(request, "default").page_size

    assert (size(jobs.ListJobsRequest()), size(jobs.ListJobsRequest(page_size=5_000))) == (50, 1_000)
    bad = jobs.ListJobsRequest(parent="jobs/x", page_size=-1, filter="x", order_by="y")
    found = violations(lambda request: validate.read_list_jobs(request, "default"), bad)
    assert set(found) == {"parent", "page_size", "filter", "order_by"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('batch { name: "batches/a" display_name: "x" state: STATE_FAILED etag: "e" }', {}),
        ('batch { name: "batches/a" input { uri: "s3://b" } } update_mask { paths: "labels" }', {}),
        ('batch { name: "batches/a" } update_mask { paths: "*" }', {}),
        ('batch { name: "batches/a" retention { seconds: 1 } }', {}),
        ('batch { name: "batches/a" retention { nanos: 5 } }', {"batch.retention": "INVALID_FIELD"}),
        ('batch { name: "batches/a" input { uri: "file:///a" } }', {"batch.input": "INVALID_FIELD"}),
        ('batch { name: "batches/a" } update_mask { paths: "retention" }', {}),
        ('batch { name: "batches/a" } update_mask { paths: "notifications" }', {"update_mask": "INVALID_FIELD"}),
        ('batch { name: "jobs/a" priority: 101 }', {"batch.name": "INVALID_FIELD", "batch.priority": "INVALID_FIELD"}),
    ],
)
def test_updates_change_only_what_can_be_changed(text: str, expected: dict[str, str]) -> None:
    request = text_format.Parse(text, batches.UpdateBatchRequest())
    assert violations(validate.check_update_batch, request) == expected
