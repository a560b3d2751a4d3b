"""Times, words and options on their way into the contract and out of it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from batchscribe import output_config, recognition_config, uri_of
from batchscribe.recognition import RecognitionOptions
from batchscribe.states import TERMINAL_STATES, enum_number, enum_word, is_terminal, state_word
from batchscribe.times import datetime_of, duration_of, seconds_of
from batchscribe.transcripts import Segment, segment_of, transcript_of
from batchscribe.v1 import transcript_pb2
from batchscribe.v1.job_pb2 import Job
from batchscribe.v1.recognition_pb2 import (
    OPERATING_POINT_ENHANCED,
    DecodingConfig,
    DiarizationConfig,
    RecognitionConfig,
    RedactionConfig,
    SummaryConfig,
    VoiceActivityConfig,
)
from batchscribe.v1.state_pb2 import State
from batchscribe.v1.storage_pb2 import OUTPUT_LAYOUT_ADJACENT, TRANSCRIPT_FORMAT_JSON_V2, TRANSCRIPT_FORMAT_TEXT


@given(st.integers(-(10**15), 10**15))
def test_durations_keep_every_nanosecond_of_ten_days(nanos: int) -> None:
    duration = duration_of(nanos / 1e9)
    assert seconds_of(duration) == pytest.approx(nanos / 1e9, abs=1e-9)
    assert duration.seconds * duration.nanos >= 0, "the parts of a duration have one sign"
    assert abs(duration.nanos) < 10**9


def test_moments_are_aware() -> None:
    assert datetime_of(Timestamp(seconds=1_700_000_000)) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_every_state_has_a_word_that_names_it() -> None:
    for value in State.DESCRIPTOR.values:
        assert enum_number(State.DESCRIPTOR, enum_word(State.DESCRIPTOR, value.number).lower()) == value.number
    assert {state_word(state) for state in TERMINAL_STATES} == {"SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"}
    assert not is_terminal(0)


def test_a_state_of_a_newer_server_is_its_number() -> None:
    assert state_word(99) == "99"


def test_a_wrong_word_is_refused_with_the_right_ones() -> None:
    with pytest.raises(ValueError, match="'fast' is not one of standard, enhanced, sequential"):
        recognition_config({"operating_point": "fast"})


def test_options_have_the_names_of_the_fields() -> None:
    fields = set(RecognitionConfig.DESCRIPTOR.fields_by_name)
    assert {name.removesuffix("_s") for name in RecognitionOptions.__annotations__} == fields


def test_options_are_converted() -> None:
    config = recognition_config(
        {
            "operating_point": "Enhanced",
            "hotwords": ["Ada"],
            "start_offset_s": 1.5,
            "vad": False,
            "decoding": DecodingConfig(beam_size=3),
            "language": None,
        }
    )
    assert config.operating_point == OPERATING_POINT_ENHANCED
    assert list(config.hotwords) == ["Ada"]
    assert seconds_of(config.start_offset) == 1.5
    assert config.vad.mode == VoiceActivityConfig.MODE_NONE
    assert config.decoding.beam_size == 3
    assert config.language == ""


def test_options_go_on_top_of_a_config_that_stays_as_it_is() -> None:
    base = RecognitionConfig(
        language="de", hotwords=["Bea"], diarization=DiarizationConfig(min_speakers=2), model="tiny.en"
    )
    merged = recognition_config({"language": "en", "hotwords": ["Ada"]}, base)
    assert (merged.language, list(merged.hotwords), merged.model) == ("en", ["Ada"], "tiny.en")
    assert merged.diarization.min_speakers == 2
    assert (base.language, list(base.hotwords)) == ("de", ["Bea"])


class Word(StrEnum):
    NONE = "none"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"vad": True}, RecognitionConfig(vad=VoiceActivityConfig(mode=VoiceActivityConfig.MODE_AUTO))),
        ({"vad": "none"}, RecognitionConfig(vad=VoiceActivityConfig(mode=VoiceActivityConfig.MODE_NONE))),
        ({"vad": "Auto"}, RecognitionConfig(vad=VoiceActivityConfig(mode=VoiceActivityConfig.MODE_AUTO))),
        ({"redaction": False}, RecognitionConfig(redaction=RedactionConfig(enabled=False))),
        ({"redaction": True}, RecognitionConfig(redaction=RedactionConfig(enabled=True))),
        (
            {"diarization": "speaker"},
            RecognitionConfig(diarization=DiarizationConfig(mode=DiarizationConfig.MODE_SPEAKER)),
        ),
        ({"vad": Word.NONE}, RecognitionConfig(vad=VoiceActivityConfig(mode=VoiceActivityConfig.MODE_NONE))),
        ({"summary": "bullets"}, RecognitionConfig(summary=SummaryConfig(style=SummaryConfig.STYLE_BULLETS))),
    ],
)
def test_messages_have_short_forms(options: RecognitionOptions, expected: RecognitionConfig) -> None:
    assert recognition_config(options) == expected


@pytest.mark.parametrize(
    "options", [{"diarization": True}, {"summary": True}, {"redaction": "none"}, {"vad": 1}, {"decoding": True}]
)
def test_a_short_form_of_another_kind_is_refused(options: RecognitionOptions) -> None:
    with pytest.raises(TypeError, match=next(iter(options))):
        recognition_config(options)


def test_an_unknown_vad_is_refused_with_the_right_ones() -> None:
    with pytest.raises(ValueError, match="'off' is not one of auto, none"):
        recognition_config({"vad": "off"})


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(TypeError, match="'langage'"):
        recognition_config({"langage": "en"})  # type: ignore[typeddict-unknown-key]


def test_one_string_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(TypeError, match="hotwords"):
        recognition_config({"hotwords": "Ada"})


def test_outputs_are_said_in_words() -> None:
    output = output_config(layout="adjacent", formats=["txt", "json_v2"])
    assert output.layout == OUTPUT_LAYOUT_ADJACENT
    assert list(output.formats) == [TRANSCRIPT_FORMAT_TEXT, TRANSCRIPT_FORMAT_JSON_V2]
    assert not output.HasField("write_notice")


def test_paths_become_uris_and_uris_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls").mkdir()
    assert uri_of("calls") == (tmp_path / "calls").as_uri() + "/"
    assert uri_of("a b.wav") == tmp_path.as_uri() + "/a%20b.wav"
    assert uri_of("new/") == (tmp_path / "new").as_uri() + "/"
    assert uri_of("s3://bucket/calls") == "s3://bucket/calls"


def test_a_transcript_is_in_the_order_of_its_segments() -> None:
    later = segment_of(transcript_pb2.Segment(index=1, text=" light. "))
    first = Segment(index=0, start_s=0.0, end_s=1.0, text="Enough")
    transcript = transcript_of(Job(name="jobs/1"), [later, first])
    assert transcript.text == "Enough light."
    assert [segment.index for segment in transcript.segments] == [0, 1]


def test_what_was_not_asked_for_is_none() -> None:
    word = transcript_pb2.Word(text="light")
    segment = segment_of(transcript_pb2.Segment(words=[word]))
    assert segment.channel is None
    assert segment.words[0].confidence is None
