"""Every option of recognition with every format, on three files, through a real server and a real model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from batchscribe import Client, output_config
from batchscribe.recognition import RecognitionOptions
from batchscribe.v1 import state_pb2
from batchscribe.v1.recognition_pb2 import DecodingConfig, DiarizationConfig, Replacement, VoiceActivityConfig
from batchscribe_server.domain.recognition import TranscriptFormat
from tests.media_files import ENCODINGS, encoded
from tests.running_server import RunningServer, running_server
from tests.speech import read_wav, side_by_side, silent, spoken
from tests.transcript_times import times_s

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SAID = "Um, my number is five five five, one two three four. The damn delivery came on Friday in New York."
FORMATS = ["txt", "srt", "vtt", "json", "json_v2", "ibm_json", "tsv"]

DEFAULTS_ALONE = {
    # that no server honours, and those that need an extra
    "language_model",
    "acoustic_model",
    "customization_weight",
}

FRIDAY_TO_MONDAY: dict[str, Any] = {"from": "Friday", "to": "Monday"}
OPTIONS: dict[str, dict[str, Any]] = {
    "language": {"language": "en"},
    "candidate_languages": {"candidate_languages": ["en"]},
    "low_confidence_action": {"low_confidence_action": "fail", "language_confidence_threshold": 0.01},
    "default_language": {
        "default_language": "en",
        "low_confidence_action": "use_default",
        "language_confidence_threshold": 0.99,
    },
    "language_confidence_threshold": {"language_confidence_threshold": 0.5},
    "model": {"model": "tiny.en"},
    "operating_point": {"operating_point": "enhanced"},
    "sequential": {"operating_point": "sequential"},
    "task": {"task": "transcribe"},
    "diarization": {
        "diarization": DiarizationConfig(mode=DiarizationConfig.MODE_CHANNEL, channel_labels=["Agent", "Caller"])
    },
    "channel_separation": {"channel_separation": True},
    "word_time_offsets": {"word_time_offsets": True},
    "word_confidence": {"word_confidence": True},
    "vad": {"vad": VoiceActivityConfig(mode=VoiceActivityConfig.MODE_AUTO, threshold=0.4)},
    "no vad": {"vad": False},
    "hotwords": {"hotwords": ["New York"]},
    "initial_prompt": {"initial_prompt": "A phone call."},
    "profanity_filter": {"profanity_filter": "mask"},
    "redaction": {"redaction": True},
    "smart_formatting": {"smart_formatting": True},
    "disfluency_removal": {"disfluency_removal": True},
    "replacements": {"replacements": [Replacement(**FRIDAY_TO_MONDAY)]},
    "enable_entities": {"enable_entities": True},
    "speech_analytics": {"speech_analytics": True},
    "summary": {"summary": "bullets"},
    "start_offset_s": {"start_offset_s": 1.0},
    "end_offset_s": {"end_offset_s": 4.0},
    "decoding": {
        "decoding": DecodingConfig(
            beam_size=2,
            temperatures=[0.0, 0.4],
            length_penalty=1.0,
            repetition_penalty=1.1,
            no_repeat_ngram_size=4,
            compression_ratio_threshold=2.0,
            log_prob_threshold=-0.8,
            no_speech_threshold=0.5,
            suppressed_phrases=["Thanks for watching"],
        )
    },
    "all that is done to text": {
        "channel_separation": True,
        "word_time_offsets": True,
        "word_confidence": True,
        "profanity_filter": "remove",
        "redaction": True,
        "smart_formatting": True,
        "disfluency_removal": True,
        "enable_entities": True,
        "speech_analytics": True,
        "summary": "paragraphs",
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("options"), "--model=tiny.en") as started:
        folder = started.folder / "in"
        folder.mkdir()
        speech = spoken(SAID)
        sound = read_wav(speech)
        answer = np.concatenate([np.zeros_like(sound), read_wav(spoken("Thank you, I will call you tomorrow."))])
        side_by_side([sound, answer], folder / "call.wav")
        encoded(speech, folder, ENCODINGS["mp3"])
        silent(2.0, folder / "silence.wav")
        yield started


def test_every_field_is_among_the_options() -> None:
    assert set(RecognitionOptions.__annotations__) - DEFAULTS_ALONE <= set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_it_goes_with_every_format(server: RunningServer, name: str) -> None:
    options = OPTIONS[name]
    formats = [*FORMATS, *(["summary"] if "summary" in options else [])]
    out = server.folder / "out" / name.replace(" ", "-")
    with Client(server.address) as client:
        submitted = client.submit_batch(
            (server.folder / "in").as_uri(), output=output_config(out.as_uri() + "/", formats=formats), **options
        )
        batch = client.wait_for_batch(submitted.name, timeout_s=120)
        assert batch.state == state_pb2.STATE_SUCCEEDED
        assert (batch.counts.succeeded, batch.counts.failed) == (3, 0)
    written = sorted(path.name for path in out.iterdir())
    assert len(written) == 3 * len(formats)
    inputs = list((server.folder / "in").iterdir())
    for path in out.iterdir():
        if path.suffix == ".json":
            json.loads(path.read_text())
        recording = next(each.name for each in inputs if path.name.startswith(f"{each.name}."))
        format = path.name.removeprefix(f"{recording}.")
        end_s = json.loads((out / f"{recording}.json").read_text())["duration"]
        assert max(times_s(TranscriptFormat(format), path.read_text()), default=0.0) <= end_s, path.name
    heard = (out / "call.wav.txt").read_text().lower()
    assert ("number" in heard) is (name != "start_offset_s")
    assert ("tomorrow" in heard) is (name != "end_offset_s")
    assert (out / "silence.wav.txt").read_text() == ""
