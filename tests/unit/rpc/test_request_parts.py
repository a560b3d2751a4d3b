"""The small parts of requests: languages, masks, etags and idempotency keys."""

from __future__ import annotations

import uuid

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from batchscribe.v1 import batch_service_pb2, job_service_pb2, recognition_pb2
from batchscribe_server.domain.errors import EtagMismatchError
from batchscribe_server.rpc.etags import etag, store_etag
from batchscribe_server.rpc.idempotency import idempotency_key
from batchscribe_server.rpc.languages import WHISPER_LANGUAGES, whisper_language
from batchscribe_server.rpc.merge_config import is_config_path, overlay


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en-US", "en"),
        ("pt_BR", "pt"),
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("zh-Hant-TW", "zh"),
        ("cmn", "zh"),
        ("yue", "yue"),
        ("jv", "jw"),
        ("iw", "he"),
        ("nb-NO", "no"),
        ("fil", "tl"),
        ("tlh", None),
        ("english", None),
        ("", None),
        ("-US", None),
    ],
)
def test_languages_are_known_by_their_codes(tag: str, language: str | None) -> None:
    assert whisper_language(tag) == language


def test_whisper_knows_a_hundred_languages() -> None:
    assert len(WHISPER_LANGUAGES) == 100
    assert all(whisper_language(code) == code for code in WHISPER_LANGUAGES)


def config(text: str) -> recognition_pb2.RecognitionConfig:
    return text_format.Parse(text, recognition_pb2.RecognitionConfig())


BASE = 'language: "en" hotwords: ["a", "b"] vad { threshold: 0.5 mode: MODE_NONE } decoding { beam_size: 5 }'


@pytest.mark.parametrize(
    ("own", "mask", "expected"),
    [
        ("", "", BASE),
        ('language: "de"', "", BASE.replace('"en"', '"de"')),
        ('hotwords: ["c"]', "", BASE.replace('["a", "b"]', '["c"]')),
        ("vad { threshold: 0.25 }", "", BASE.replace("0.5", "0.25")),
        ("vad { threshold: 0.25 }", "vad", BASE.replace("threshold: 0.5 mode: MODE_NONE", "threshold: 0.25")),
        ("vad { threshold: 0.25 } language: 'de'", "vad.threshold", BASE.replace("0.5", "0.25")),
        ("", "language, hotwords", "vad { threshold: 0.5 mode: MODE_NONE } decoding { beam_size: 5 }"),
        ("decoding { temperatures: [0] }", "decoding", BASE.replace("beam_size: 5", "temperatures: [0]")),
        ("vad { min_silence { seconds: 2 } }", "", BASE.replace("0.5", "0.5 min_silence { seconds: 2 }")),
    ],
)
def test_an_entrys_config_is_laid_over_the_batchs(own: str, mask: str, expected: str) -> None:
    base = config(BASE)
    assert overlay(base, config(own), mask) == config(expected)
    assert base == config(BASE)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("language", True),
        ("vad", True),
        ("vad.threshold", True),
        ("vad.min_silence", True),
        ("vad.min_silence.seconds", False),
        ("language.code", False),
        ("replacements.from", False),
        ("nonsense", False),
        ("vad.", False),
        ("", False),
    ],
)
def test_masks_name_fields_of_the_config(path: str, known: bool) -> None:
    assert is_config_path(path) is known


@given(st.integers(0, 2**63 - 1))
def test_an_etag_gives_the_store_its_sequence(sequence: int) -> None:
    assert store_etag("jobs/a", etag("jobs/a", sequence)) == str(sequence)


@pytest.mark.parametrize("wrong", ["7", "7-", "x-1", "-", etag("jobs/b", 7), "f" * 100])
def test_an_etag_of_another_resource_or_a_made_up_one_matches_nothing(wrong: str) -> None:
    with pytest.raises(EtagMismatchError):
        store_etag("jobs/a", wrong)


def test_no_etag_matches_everything() -> None:
    assert store_etag("jobs/a", "") == ""


def test_a_key_stands_for_the_body_and_not_for_the_request_id_alone() -> None:
    request_id = str(uuid.uuid4())
    request = job_service_pb2.CreateJobRequest(request_id=request_id, job_id="call")
    for k in range(20):
        request.job.labels[f"label-{k}"] = "x"
    same = job_service_pb2.CreateJobRequest.FromString(request.SerializeToString())
    same.request_id = request_id.upper()
    other = job_service_pb2.CreateJobRequest(request_id=request_id, job_id="another")
    assert idempotency_key(request) == idempotency_key(same)
    assert idempotency_key(request) != idempotency_key(other)
    assert request.request_id == request_id


def test_a_job_and_a_batch_never_share_a_key() -> None:
    request_id = str(uuid.uuid4())
    job = idempotency_key(job_service_pb2.CreateJobRequest(request_id=request_id))
    batch = idempotency_key(batch_service_pb2.CreateBatchRequest(request_id=request_id))
    assert job != batch


def test_without_a_request_id_there_is_no_key() -> None:
    assert idempotency_key(job_service_pb2.CreateJobRequest(job_id="call")) is None
