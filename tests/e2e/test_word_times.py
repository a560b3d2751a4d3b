"""Word times against words whose places are known, through a real server: across silences, and in each channel."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from batchscribe import Client
from batchscribe.transcripts import Transcript
from tests.running_server import RunningServer, running_server
from tests.speech import RATE_HZ, read_wav, side_by_side, spoken, write_wav

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Sound = npt.NDArray[np.int16]

SENTENCES = (
    "Yesterday morning seven children waited outside",
    "Nobody answered because everything happened quickly",
    "Please remember another yellow umbrella tomorrow",
    "Several doctors visited different hospitals together",
)
GAP_S = 0.12
SILENCES_S = (0.8, 7.5, 2.6, 3.0)
MEDIAN_ERROR_S = 0.08


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("words"), "--model=base") as started:
        yield started


def test_words_are_where_they_are_said_across_silences(server: RunningServer) -> None:
    sound, places = told(range(len(SENTENCES)))
    path = write_wav(server.folder / "words.wav", sound)
    with Client(server.address) as client:
        transcript = client.transcribe(path.as_uri(), language="en", word_time_offsets=True)
    check(transcript, [places], sound.size / RATE_HZ)


def test_words_are_where_they_are_said_in_each_channel(server: RunningServer) -> None:
    channels = [told((0, 2)), told((1, 3))]
    path = side_by_side([sound for sound, _ in channels], server.folder / "channels.wav")
    with Client(server.address) as client:
        transcript = client.transcribe(path.as_uri(), language="en", channel_separation=True, word_time_offsets=True)
    check(transcript, [places for _, places in channels], max(sound.size for sound, _ in channels) / RATE_HZ)


def told(sentences: Sequence[int]) -> tuple[Sound, dict[str, tuple[float, float]]]:
    """The words of some sentences, each said by itself, with silences before these; and when each begins and ends."""
    parts: list[Sound] = []
    places = {}
    length = 0
    for number in sentences:
        parts.append(np.zeros(round(SILENCES_S[number] * RATE_HZ), dtype=np.int16))
        length += parts[-1].size
        for word in SENTENCES[number].split():
            sound = trimmed(read_wav(spoken(word)))
            places[word.lower()] = (length / RATE_HZ, (length + sound.size) / RATE_HZ)
            parts += [sound, np.zeros(round(GAP_S * RATE_HZ), dtype=np.int16)]
            length += sound.size + parts[-1].size
    return np.concatenate(parts), places


def trimmed(sound: Sound) -> Sound:
    """Without the silence around it."""
    loud = np.flatnonzero(np.abs(sound.astype(np.int32)) > 300)
    return sound[loud[0] : loud[-1] + 1]


def check(transcript: Transcript, channels: Sequence[dict[str, tuple[float, float]]], length_s: float) -> None:
    errors_s = []
    found = 0
    for segment in transcript.segments:
        places = channels[segment.channel or 0]
        for word in segment.words:
            assert 0 <= word.start_s <= word.end_s <= length_s
            if place := places.get(word.text.strip(".,!?").lower()):
                found += 1
                errors_s += [abs(word.start_s - place[0]), abs(word.end_s - place[1])]
    assert found >= 0.8 * sum(map(len, channels)), transcript.text
    assert statistics.median(errors_s) <= MEDIAN_ERROR_S, sorted(round(error, 3) for error in errors_s)
