"""Several channels at once: the segments of each, in one order."""

from __future__ import annotations

import numpy as np
import pytest

from batchscribe_engine.media.hearing import Channels, OneChannel
from batchscribe_engine.media.segment import FRAME_SAMPLES
from batchscribe_engine.media.voice_activity import SileroModel
from batchscribe_engine.messages import MAX_HELD_S, SAMPLE_RATE_HZ, VoiceActivityOptions
from tests.speech import read_wav, silence, spoken

TEXTS = ("The quick brown fox jumps over the lazy dog.", "In seventeen minutes, the museum opens its doors.")
PORTION = 64 * FRAME_SAMPLES


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel()


@pytest.fixture(scope="module")
def recording() -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """Three channels that take turns, the last of which is silent; the first speaks on for a long time."""
    fox, museum = (read_wav(spoken(text)) for text in TEXTS)
    pause = silence(1.0)
    first = np.concatenate([fox, pause, museum, pause, fox, pause, museum, silence(6), fox])
    second = np.concatenate([silence(4.0), museum, silence(9.0), fox])
    samples = max(first.size, second.size)
    return np.stack([np.pad(each, (0, samples - each.size)) for each in (first, second, silence(0))])


def test_channels_give_what_each_gives_alone_in_order_of_start(
    model: SileroModel, recording: np.ndarray[tuple[int, int], np.dtype[np.int16]]
) -> None:
    options = VoiceActivityOptions()
    channels = Channels(model, options, [0, 1, 2])
    heard = []
    for start in range(0, recording.shape[1], PORTION):
        ready = channels.push(recording[:, start : start + PORTION])
        for _, segment in ready:
            assert start + PORTION - segment.start_sample <= MAX_HELD_S * SAMPLE_RATE_HZ
        heard += ready
    heard += channels.finish()
    places = [(segment.start_sample, channel) for channel, segment in heard]
    assert places == sorted(places)
    assert {channel for channel, _ in heard} == {0, 1}
    for number in range(3):
        alone = OneChannel(model, options)
        segments = alone.push(recording[number]) + alone.finish()
        of_channel = [segment for channel, segment in heard if channel == number]
        assert [segment.start_sample for segment in of_channel] == [segment.start_sample for segment in segments]
        for here, there in zip(of_channel, segments, strict=True):
            assert np.array_equal(here.samples, there.samples)


def test_a_channel_that_is_not_asked_for_is_not_heard(
    model: SileroModel, recording: np.ndarray[tuple[int, int], np.dtype[np.int16]]
) -> None:
    channels = Channels(model, VoiceActivityOptions(), [1])
    heard = channels.push(recording) + channels.finish()
    assert {channel for channel, _ in heard} == {1}
