"""A call with a party in each channel, through a real server and a real model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from batchscribe import Client, TranscriptNotFoundError, output_config
from batchscribe.v1.recognition_pb2 import DiarizationConfig
from tests.many_files import words
from tests.running_server import RunningServer, running_server
from tests.speech import read_wav, side_by_side, spoken

pytestmark = pytest.mark.slow

CALL = [
    (0, "Good morning, how can I help you today?"),
    (1, "I would like to book a table for four people."),
    (0, "Of course. On which day would you like to come?"),
    (1, "On Friday evening, if that is possible."),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("channels"), "--model=tiny.en") as started:
        yield started


@pytest.fixture(scope="module")
def call(server: RunningServer) -> Path:
    """The call: one party is silent while the other speaks, and pauses are too short to end a segment."""
    sounds = [(channel, read_wav(spoken(text, speed=1.0 + 0.15 * channel))) for channel, text in CALL]
    channels = [
        np.concatenate([sound if channel == number else np.zeros_like(sound) for channel, sound in sounds])
        for number in range(2)
    ]
    return side_by_side(channels, server.folder / "call.wav")


def test_each_channel_is_heard_and_turns_are_in_order(server: RunningServer, call: Path) -> None:
    out = server.folder / "out"
    with Client(server.address) as client:
        submitted = client.submit(
            call.as_uri(),
            output=output_config(out.as_uri(), formats=["json", "txt"], file_per_channel=True),
            diarization=DiarizationConfig(mode=DiarizationConfig.MODE_CHANNEL, channel_labels=["Agent", "Caller"]),
        )
        job = client.wait_for_job(submitted.name, timeout_s=60)
        written = {(Path(file.uri).name, file.channel if file.HasField("channel") else None) for file in job.outputs}
        assert written == {
            *(("call.wav." + suffix, None) for suffix in ("json", "txt")),
            *((f"call.wav.channel_{n}.{suffix}", n) for n in range(2) for suffix in ("json", "txt")),
        }
        with pytest.raises(TranscriptNotFoundError, match="no channel 2"):
            client.transcript(job.name, channel=2)
    text = (out / "call.wav.txt").read_text()
    turns = [turn.partition(": ") for turn in text.split("\n\n")]
    assert [party for party, _, _ in turns] == ["Agent", "Caller", "Agent", "Caller"]
    assert [words(said) for _, _, said in turns] == [words(said) for _, said in CALL]
    document = json.loads((out / "call.wav.json").read_text())
    assert [segment["channel"] for segment in document["segments"]] == [0, 1, 0, 1]
    for number in range(2):
        one = json.loads((out / f"call.wav.channel_{number}.json").read_text())
        said = " ".join(text for channel, text in CALL if channel == number)
        assert words(one["text"]) == words(said)
        assert {segment["channel"] for segment in one["segments"]} == {number}


def test_the_client_gets_turns_and_an_upload_in_two_equal_channels_is_heard_once(server: RunningServer) -> None:
    voice = read_wav(spoken(CALL[0][1]))
    both = side_by_side([voice, voice], server.folder / "twice.wav")
    with Client(server.address) as client:
        transcript = client.transcribe(both, channel_separation=True)
        assert words(transcript.text) == words(CALL[0][1])
        assert {segment.channel for segment in transcript.segments} == {0}
        for channel in (0, 1):
            said = client.transcript(transcript.job.name, "txt", channel=channel)
            assert said.startswith(f"Channel {channel}: ")
            assert words(said.partition(": ")[2]) == words(CALL[0][1])


def test_every_format_is_read_of_a_call_that_was_transcribed_once(server: RunningServer, call: Path) -> None:
    with Client(server.address) as client:
        job = client.transcribe(call, diarization=DiarizationConfig(mode=DiarizationConfig.MODE_CHANNEL)).job
        texts = {word: client.transcript(job.name, word) for word in ("json_v2", "ibm_json", "tsv", "srt", "vtt")}
    speechmatics = json.loads(texts["json_v2"])["results"]
    ibm = json.loads(texts["ibm_json"])
    for channel in range(2):
        said = words(" ".join(text for number, text in CALL if number == channel))
        in_channel = [result for result in speechmatics if result["channel"] == f"channel_{channel + 1}"]
        content = [result["alternatives"][0]["content"] for result in in_channel if result["type"] == "word"]
        assert words(" ".join(content)) == said
        timestamps = [t for result in ibm["results"] for t in result["alternatives"][0]["timestamps"]]
        assert words(" ".join(t[0] for t in timestamps if t[3]["speaker"] == channel)) == said
    assert "warnings" not in ibm
    assert [line.split("\t")[3] for line in texts["tsv"].splitlines()[1:]] == [f"Channel {n}" for n, _ in CALL]
    for number, _ in CALL:
        assert f"Channel {number}: " in texts["srt"]
        assert f"<v Channel {number}>" in texts["vtt"]
