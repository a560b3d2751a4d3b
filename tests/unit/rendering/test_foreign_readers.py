"""Documents of every kind of transcript, read by readers that are not ours."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from speechmatics.batch import Transcript as SpeechmaticsTranscript

from batchscribe_server.analysis.embedded import analysis_of
from batchscribe_server.domain.analysis import Analysis, Maker, Summary, SummaryPoint, Topic
from batchscribe_server.domain.recognition import (
    Diarization,
    DiarizationMode,
    RecognitionConfig,
    SummaryConfig,
    SummaryLength,
    SummaryStyle,
    TranscriptFormat,
)
from batchscribe_server.domain.transcript import Transcript
from tests.conversations import CALL, transcript_of
from tests.transcripts import (
    ARABIC,
    CHANNELS,
    CHINESE,
    MODEL_WORDS,
    MONO,
    ONE_WORD,
    THAI,
    VOICES,
    VOICES_IN_CHANNELS,
    said,
    transcript,
    untimed,
)
from tests.unit.rendering.reading import every_case, rendered, said_text, spoken, unspaced

ROOT = Path(__file__).parents[3]
TRANSCRIPT_SCHEMA = json.loads((ROOT / "docs/transcript.schema.json").read_text())
IBM_SCHEMA = json.loads((Path(__file__).parent / "ibm_results.schema.json").read_text())


# Whisper's tsv


def rows(of: Transcript) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(rendered(of, TranscriptFormat.TSV)), delimiter="\t", quoting=csv.QUOTE_NONE))


@every_case
def test_tsv_has_a_row_for_each_segment(of: Transcript) -> None:
    read = rows(of)
    assert [(int(row["start"]), int(row["end"])) for row in read] == [(s.start_ms, s.end_ms) for s in spoken(of)]
    assert [row["text"] for row in read] == [" ".join(s.text.split()) for s in spoken(of)]
    parties = [of.party_of(segment) for segment in spoken(of)]
    assert [row.get("speaker", "") for row in read] == parties


def test_tsv_is_whispers_own_where_nobody_is_told_apart() -> None:
    assert rendered(transcript(said(' "Yes"\tindeed\n', 500)), TranscriptFormat.TSV) == (
        'start\tend\ttext\n500\t1100\t"Yes" indeed\n'
    )


def test_tsv_names_who_speaks_in_a_fourth_column() -> None:
    lines = rendered(CHANNELS, TranscriptFormat.TSV).splitlines()
    assert lines[:2] == ["start\tend\ttext\tspeaker", "0\t1800\tGood morning, how can I help?\tAgent & Co"]


# The project's own JSON


@every_case
@pytest.mark.parametrize("words", [False, True])
def test_json_is_as_its_schema_says(of: Transcript, words: bool) -> None:
    config = RecognitionConfig(word_time_offsets=words, word_confidence=words)
    document = json.loads(rendered(of, TranscriptFormat.JSON, config))
    jsonschema.Draft202012Validator(TRANSCRIPT_SCHEMA).validate(document)
    assert [segment["text"] for segment in document["segments"]] == [segment.text for segment in of.segments]


def test_the_schema_is_one_and_refuses_what_is_no_transcript() -> None:
    jsonschema.Draft202012Validator.check_schema(TRANSCRIPT_SCHEMA)
    document = json.loads(rendered(MONO, TranscriptFormat.JSON))
    validator = jsonschema.Draft202012Validator(TRANSCRIPT_SCHEMA)
    for broken in (
        document | {"schema": "batchscribe.transcript/2"},
        document | {"duration": "61"},
        document | {"segments": [{"text": "alone"}]},
        {key: value for key, value in document.items() if key != "language"},
    ):
        assert not validator.is_valid(broken)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_json_with_an_analysis_is_as_its_schema_says(language: str) -> None:
    config = RecognitionConfig(
        enable_entities=True, speech_analytics=True, summary=SummaryConfig(SummaryStyle.BULLETS, SummaryLength.LONG)
    )
    call = transcript_of(CALL, language=language)
    own = analysis_of(call, config)
    assert own.analytics is not None
    models = replace(
        own,
        analytics=replace(own.analytics, topics=(Topic("a delivery"),), topics_made_by=Maker.LANGUAGE_MODEL),
        summary=Summary(
            SummaryStyle.PARAGRAPHS, SummaryLength.SHORT, Maker.LANGUAGE_MODEL, (SummaryPoint("It was late."),)
        ),
    )
    validator = jsonschema.Draft202012Validator(TRANSCRIPT_SCHEMA)
    for analysis in (own, models, Analysis()):
        document = json.loads(rendered(replace(call, analysis=analysis), TranscriptFormat.JSON, config))
        validator.validate(document)
        assert document.keys() <= TRANSCRIPT_SCHEMA["properties"].keys()
    document = json.loads(rendered(replace(call, analysis=own), TranscriptFormat.JSON, config))
    assert {"entities", "analytics", "summary"} <= document.keys()
    for key, broken in (
        ("entities", [{"kind": "date"}]),
        ("analytics", document["analytics"] | {"sentiment": 0.5}),
        ("analytics", document["analytics"] | {"topics_made_by": "nobody"}),
        ("summary", document["summary"] | {"points": ["It was late."]}),
    ):
        assert not validator.is_valid(document | {key: broken})


def test_json_tells_the_channels_and_the_speakers_of_words() -> None:
    config = RecognitionConfig(word_time_offsets=True)
    document = json.loads(rendered(CHANNELS, TranscriptFormat.JSON, config))
    assert document["channels"] == [
        {"channel": 0, "label": "Agent & Co", "same_sound_as": None},
        {"channel": 1, "label": "Caller", "same_sound_as": None},
    ]
    document = json.loads(rendered(VOICES, TranscriptFormat.JSON, config))
    assert document["channels"] == []
    assert {word["speaker"] for word in document["segments"][1]["words"]} == {"Speaker 1"}
    assert "speaker" not in json.loads(rendered(MONO, TranscriptFormat.JSON, config))["segments"][0]["words"][0]


def test_json_tells_which_channels_sound_the_same() -> None:
    of = replace(CHANNELS, media=replace(CHANNELS.media, same_sound_as=(0, 0)))
    channels = json.loads(rendered(of, TranscriptFormat.JSON))["channels"]
    assert [channel["same_sound_as"] for channel in channels] == [None, 0]


# Speechmatics' json-v2


def json_v2(of: Transcript, config: RecognitionConfig | None = None) -> tuple[dict[str, Any], SpeechmaticsTranscript]:
    document = json.loads(rendered(of, TranscriptFormat.JSON_V2, config))
    return document, SpeechmaticsTranscript.from_dict(document)


def joined(results: Sequence[dict[str, Any]], delimiter: str) -> str:
    """The text of results, as what they attach to says."""
    text, attaches_next = "", True
    for result in results:
        attached = attaches_next or result.get("attaches_to") == "previous"
        text += ("" if attached else delimiter) + result["alternatives"][0]["content"]
        attaches_next = result.get("attaches_to") == "next"
    return text


@every_case
def test_json_v2_is_read_by_speechmatics_own_client(of: Transcript) -> None:
    document, read = json_v2(of)
    assert read.format == "2.9"
    assert (read.job.id, read.job.data_name, read.job.duration) == ("1", "a b.wav", 61)
    assert read.job.tracking == {"reference": "call 7"}
    shown = re.sub(r"(?m)^SPEAKER [^:]+: ", "", read.transcript_text)
    assert unspaced(shown) == said_text(of)
    delimiter = document["metadata"]["language_pack_info"]["word_delimiter"]
    texts = (" ".join(segment.text.split()) for segment in spoken(of))
    assert joined(document["results"], delimiter) == delimiter.join(texts)


@every_case
def test_json_v2_times_every_word_within_its_segment(of: Transcript) -> None:
    document, read = json_v2(of)
    for result in read.results:
        assert result.start_time <= result.end_time
        (alternative,) = result.alternatives or []
        assert 0 <= alternative.confidence <= 1
        assert alternative.language == of.text_language
        assert any(s.start_ms <= 1000 * result.start_time <= s.end_ms for s in of.segments)
    by_channel: dict[str | None, list[float]] = {}
    for result in document["results"]:
        assert (result["type"] == "word") == ("attaches_to" not in result)
        by_channel.setdefault(result.get("channel"), []).append(result["start_time"])
    assert all(before <= after for starts in by_channel.values() for before, after in pairwise(starts))


@every_case
def test_json_v2_tells_who_speaks(of: Transcript) -> None:
    document, _ = json_v2(of)
    labels = {"": "UU", "Speaker 0": "S1", "Speaker 1": "S2"}
    for result in document["results"]:
        (start_ms, speaker) = 1000 * result["start_time"], result["alternatives"][0]["speaker"]
        assert any(
            labels[segment.speaker] == speaker and segment.start_ms <= start_ms <= segment.end_ms
            for segment in of.segments
            if ("channel" in result) == (segment.channel is not None)
        )


def test_json_v2_of_speakers_reads_as_a_conversation() -> None:
    _, read = json_v2(VOICES)
    assert read.transcript_text == "SPEAKER S1: Who is there?\nSPEAKER S2: It is me.\nSPEAKER S1: Come in!"


def test_json_v2_of_plain_words_is_the_text() -> None:
    assert json_v2(MONO)[1].transcript_text == MONO.text
    assert json_v2(MODEL_WORDS)[1].transcript_text == MODEL_WORDS.text
    assert json_v2(CHINESE)[1].transcript_text == said_text(CHINESE).replace("NewYork", "New York")
    assert json_v2(THAI)[1].transcript_text == THAI.text


def test_json_v2_parts_punctuation_from_words() -> None:
    document, _ = json_v2(transcript(said('"Well, yes.', 1_000)))
    parts = [
        (
            r["type"],
            r["alternatives"][0]["content"],
            r["start_time"],
            r["end_time"],
            r.get("attaches_to"),
            r.get("is_eos"),
        )
        for r in document["results"]
    ]
    assert parts == [
        ("punctuation", '"', 1.0, 1.0, "next", False),
        ("word", "Well", 1.0, 1.3, None, None),
        ("punctuation", ",", 1.3, 1.3, "previous", False),
        ("word", "yes", 1.3, 1.6, None, None),
        ("punctuation", ".", 1.6, 1.6, "previous", True),
    ]
    assert document["results"][1]["alternatives"] == [
        {"content": "Well", "confidence": 0.912, "language": "en", "speaker": "UU"}
    ]


def test_json_v2_says_what_was_asked_for_and_how_the_language_was_found() -> None:
    diarization = Diarization(DiarizationMode.CHANNEL, channel_labels=("Agent & Co", "Caller"))
    document, read = json_v2(CHANNELS, RecognitionConfig(diarization=diarization, hotwords=("Weber",)))
    assert read.metadata.transcription_config == {
        "language": "auto",
        "operating_point": "standard",
        "diarization": "channel",
        "channel_diarization_labels": ["Agent & Co", "Caller"],
        "additional_vocab": [{"content": "Weber"}],
    }
    assert (read.metadata.language_identification or {})["predicted_language"] == "en"
    assert document["metadata"]["language_pack_info"] == {"word_delimiter": " ", "writing_direction": "left-to-right"}
    document, _ = json_v2(ARABIC, RecognitionConfig(language="ar"))
    assert "language_identification" not in document["metadata"]
    assert document["metadata"]["language_pack_info"]["writing_direction"] == "right-to-left"


def test_json_v2_of_a_translation_is_english_whatever_was_spoken() -> None:
    document, read = json_v2(replace(CHINESE, task="translate", segments=[said("New York is large.", language="zh")]))
    assert read.transcript_text == "New York is large."
    assert {result["alternatives"][0]["language"] for result in document["results"]} == {"en"}
    assert document["metadata"]["language_identification"]["predicted_language"] == "zh"


def test_json_v2_of_unlabelled_channels_counts_them_from_one() -> None:
    document, _ = json_v2(VOICES_IN_CHANNELS)
    assert [
        (result["channel"], result["alternatives"][0]["speaker"])
        for result in document["results"]
        if result["type"] == "word"
    ] == [("channel_1", "S1"), *[("channel_2", "S1")] * 4, *[("channel_2", "S2")] * 2]


# IBM's recognition results


def ibm(of: Transcript, config: RecognitionConfig | None = None) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(rendered(of, TranscriptFormat.IBM_JSON, config))
    jsonschema.Draft202012Validator(IBM_SCHEMA).validate(document)
    return document


def timestamps(document: dict[str, Any]) -> Iterator[list[Any]]:
    for result in document["results"]:
        yield from result["alternatives"][0]["timestamps"]


@every_case
def test_ibm_json_is_as_ibm_documents_it(of: Transcript) -> None:
    document = ibm(of, RecognitionConfig(word_confidence=True))
    texts = [result["alternatives"][0]["transcript"] for result in document["results"]]
    assert texts == [" ".join(segment.text.split()) + " " for segment in spoken(of)]
    for result, segment in zip(document["results"], spoken(of), strict=True):
        (alternative,) = result["alternatives"]
        assert [word for word, _ in alternative["word_confidence"]] == [t[0] for t in alternative["timestamps"]]
        assert all(segment.start_ms <= 1000 * t[1] <= 1000 * t[2] <= segment.end_ms for t in alternative["timestamps"])
        position = 0
        for timestamp in alternative["timestamps"]:
            position = segment.text.index(timestamp[0], position) + len(timestamp[0])


@every_case
def test_ibm_json_labels_each_word_where_speakers_are_told(of: Transcript) -> None:
    document = ibm(of)
    if not of.tells_parties:
        assert "speaker_labels" not in document
        assert all(len(timestamp) == 3 for timestamp in timestamps(document))
        return
    labels = document["speaker_labels"]
    labelled = [timestamp for timestamp in timestamps(document) if len(timestamp) > 3]
    if all(map(of.party_of, of.segments)):
        assert labelled == list(timestamps(document))
    assert [timestamp[3] for timestamp in labelled] == labels
    assert [(t[1], t[2]) for t in labelled] == [(label["from"], label["to"]) for label in labels]
    assert [label["final"] for label in labels] == [False] * (len(labels) - 1) + [True]


@pytest.mark.parametrize(
    ("of", "speakers"),
    [
        (CHANNELS, [0] * 6 + [1] * 7 + [0] + [1] * 3),
        (CHANNELS.of_channel(1), [1] * 10),
        (VOICES, [0] * 3 + [1] * 3 + [0] * 2),
        (VOICES_IN_CHANNELS, [0] + [1] * 4 + [2] * 2),
    ],
)
def test_ibm_json_numbers_the_parties(of: Transcript, speakers: list[int]) -> None:
    assert [label["speaker"] for label in ibm(of)["speaker_labels"]] == speakers


def test_the_last_label_is_final_also_where_marks_alone_come_after_it() -> None:
    of = transcript(said("Well then.", speaker="Speaker 0"), said("...", 2_000, speaker="Speaker 1"))
    assert [label["final"] for label in ibm(of)["speaker_labels"]] == [False, True]


def test_words_of_whom_it_is_not_told_have_no_label() -> None:
    of = transcript(said("Who?"), said("Me.", 2_000, speaker="Speaker 3"))
    assert [len(timestamp) for timestamp in timestamps(ibm(of))] == [3, 4]
    assert [label["speaker"] for label in ibm(of)["speaker_labels"]] == [0]


def test_ibm_json_has_bare_words_and_confidences_where_they_were_asked_for() -> None:
    of = transcript(said('"Well, yes.', 1_000), warning="cut short")
    assert ibm(of) == {
        "result_index": 0,
        "results": [
            {
                "final": True,
                "alternatives": [
                    {
                        "transcript": '"Well, yes. ',
                        "confidence": 0.8,
                        "timestamps": [["Well", 1.0, 1.3], ["yes", 1.3, 1.6]],
                    }
                ],
            }
        ],
        "warnings": ["cut short"],
    }
    (result,) = ibm(of, RecognitionConfig(word_confidence=True))["results"]
    assert result["alternatives"][0]["word_confidence"] == [["Well", 0.912], ["yes", 0.912]]


@pytest.mark.parametrize("of", [MONO, ONE_WORD, CHINESE])
def test_estimated_times_are_told_as_such(of: Transcript) -> None:
    estimated = untimed(of)
    (warning,) = ibm(estimated)["warnings"]
    assert "estimated" in warning
    assert json_v2(estimated)[0]["metadata"]["warnings"] == [warning]
    assert "warnings" not in ibm(of)
    assert "warnings" not in json_v2(of)[0]["metadata"]
