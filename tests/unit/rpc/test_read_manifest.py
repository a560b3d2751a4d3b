"""What the records of a manifest in a file mean."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from batchscribe_server.domain.batch import ManifestEntry
from batchscribe_server.domain.errors import InvalidArgumentError
from batchscribe_server.domain.recognition import (
    Decoding,
    OperatingPoint,
    OutputConfig,
    OutputLayout,
    RecognitionConfig,
    VoiceActivity,
)
from batchscribe_server.rpc.read_manifest import EntryReader

OURS = RecognitionConfig(
    language="de",
    operating_point=OperatingPoint.ENHANCED,
    hotwords=("ours",),
    voice_activity=VoiceActivity(threshold=0.35, min_silence_ms=250),
    decoding=Decoding(temperatures=(0.0, 0.2)),
)


def read(fields: Mapping[str, object], output: OutputConfig | None = None) -> ManifestEntry:
    return EntryReader(OURS, output or OutputConfig())(fields)


def test_an_entry_without_a_config_has_its_batchs() -> None:
    assert read({"uri": "s3://b/a.wav", "reference_id": "one"}) == ManifestEntry("s3://b/a.wav", "one")
    assert read({"uri": "media/0199-ab"}).config is None


def test_its_own_config_is_laid_over_its_batchs() -> None:
    config = read({"uri": "s3://b/a", "config": {"language": "fr", "vad": {"threshold": 0.5}}}).config
    assert config == RecognitionConfig(
        language="fr",
        operating_point=OperatingPoint.ENHANCED,
        hotwords=("ours",),
        voice_activity=VoiceActivity(threshold=0.5, min_silence_ms=250),
        decoding=Decoding(temperatures=(0.0, 0.2)),
    )
    masked = read({"uri": "s3://b/a", "config": {"initial_prompt": "x"}, "config_mask": "language,hotwords"}).config
    assert masked is not None
    assert (masked.language, masked.hotwords, masked.initial_prompt) == ("", (), "")
    assert masked.operating_point is OperatingPoint.ENHANCED


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, ["uri"]),
        ({"uri": ""}, ["uri"]),
        ({"uri": "calls/a.wav"}, ["uri"]),
        ({"uri": "ftp://h/a.wav"}, ["uri"]),
        ({"uri": "media/../a"}, ["uri"]),
        ({"uri": "s3://b/a\0"}, ["uri"]),
        ({"uri": "https://h/a\0"}, ["uri"]),
        ({"uri": "s3://b/" + "a" * 5_000}, ["uri"]),
        ({"uri": 7}, ["uri"]),
        ({"uri": "s3://b/\ud800"}, ["uri"]),
        ({"url": "s3://b/a"}, ["url"]),
        ({"uri": "s3://b/a", "referenceId": "x"}, ["referenceId"]),
        ({"uri": "s3://b/a", "reference_id": "x" * 256}, ["reference_id"]),
        ({"uri": "s3://b/a", "config": {"lang": "de"}}, ["config"]),
        ({"uri": "s3://b/a", "config": {"language": "xx"}}, ["config.language"]),
        ({"uri": "s3://b/a", "config": {"language_model": "legal"}}, ["config.language_model"]),
        ({"uri": "s3://b/a", "config": {"hotwords": ["x"] * 201}}, ["config.hotwords"]),
        ({"uri": "s3://b/a", "config": "de"}, ["config"]),
        ({"uri": "s3://b/a", "config_mask": "nonsense"}, ["config_mask"]),
        ({"uri": "s3://b/a", "config": {"candidate_languages": ["fr"]}}, ["config.candidate_languages"]),
        (
            {"uri": "s3://b/a", "config": {"operating_point": "OPERATING_POINT_SEQUENTIAL"}},
            ["config.vad.threshold", "config.vad.min_silence"],
        ),
        ({"uri": "", "reference_id": "x" * 256}, ["uri", "reference_id"]),
    ],
)
def test_what_is_wrong_is_named_by_its_field(fields: Mapping[str, object], bad: list[str]) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        read(fields)
    assert [violation.field for violation in refused.value.violations] == bad


@pytest.mark.parametrize("uri", ["media/0199-ab", "https://h/a.wav?secret"])
def test_nothing_is_written_next_to_an_upload_or_a_url(uri: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        read({"uri": uri}, OutputConfig(layout=OutputLayout.ADJACENT))
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("uri", [{"x": "https://h/a?secret"}, ["https://h/a?secret"], "https:h/a?secret"])
def test_a_uri_that_is_none_is_not_repeated(uri: object) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        read({"uri": uri})
    assert "secret" not in refused.value.message
