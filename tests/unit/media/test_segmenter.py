"""The segmenter's laws, on made-up probabilities and noise."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchscribe_engine.media.segment import FRAME_SAMPLES
from batchscribe_engine.media.segmenter import FRAME_MS, MAX_SEGMENT_FRAMES, SpeechSegmenter, segmenter
from batchscribe_engine.messages import MAX_HELD_S, MAX_SEGMENT_S, SAMPLE_RATE_HZ, VoiceActivityOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchscribe_engine.media.segment import Segment

FRAMES_PER_S = SAMPLE_RATE_HZ / FRAME_SAMPLES
SPEECH, BETWEEN, SILENCE = 0.9, 0.42, 0.05


class Recording:
    """Frames of noise with given probabilities; the last frame may be short."""

    def __init__(self, probabilities: Sequence[float], missing_samples: int = 0) -> None:
        self.probabilities = np.asarray(probabilities, dtype=np.float32)
        samples = self.probabilities.size * FRAME_SAMPLES
        noise = np.random.default_rng(samples).integers(-3000, 3000, samples, dtype=np.int16)
        self.samples = noise[: samples - missing_samples] if samples else noise

    def portions(self, frames: Sequence[int]) -> Any:
        """The recording in portions of so many frames each, over and over."""
        sizes = itertools.cycle(frames)
        start = 0
        while start < self.probabilities.size:
            end = start + next(sizes)
            yield self.samples[start * FRAME_SAMPLES : end * FRAME_SAMPLES], self.probabilities[start:end]
            start = end


def segments_of(
    recording: Recording, options: VoiceActivityOptions, portion_frames: Sequence[int] = (32,)
) -> list[Segment]:
    cutter = segmenter(options)
    found = []
    for samples, probabilities in recording.portions(portion_frames):
        found += cutter.push(samples, probabilities)
    return found + cutter.finish()


def spans(segments: list[Segment]) -> list[tuple[int, int]]:
    return [(segment.start_sample, segment.start_sample + segment.samples.size) for segment in segments]


def frames(duration_s: float, probability: float) -> list[float]:
    return [probability] * round(duration_s * FRAMES_PER_S)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    stretches = draw(
        st.lists(
            st.tuples(st.sampled_from([SPEECH, 0.5, BETWEEN, SILENCE, 0.0]), st.integers(1, 700)),
            max_size=12,
        )
    )
    probabilities = [probability for probability, length in stretches for _ in range(length)]
    return Recording(probabilities, draw(st.integers(0, FRAME_SAMPLES - 1)) if probabilities else 0)


options = st.builds(
    VoiceActivityOptions,
    min_silence_ms=st.sampled_from([0, 32, 160, 500, 2000, 40_000]),
    min_speech_ms=st.just(0),
    speech_pad_ms=st.sampled_from([0, 30, 400, 1500, 60_000]),
    join_s=st.sampled_from([0.0, 1.0, 8.0, 15.0, 30.0, 90.0]),
)
portions = st.lists(st.integers(1, 400), min_size=1, max_size=5)


@given(recordings(), options)
@settings(max_examples=60)
def test_segments_are_ordered_apart_and_no_longer_than_a_slot(
    recording: Recording, options: VoiceActivityOptions
) -> None:
    found = spans(segments_of(recording, options))
    assert all(0 < end - start <= MAX_SEGMENT_S * SAMPLE_RATE_HZ for start, end in found)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(found))
    assert all(end <= recording.samples.size for _, end in found)


@given(recordings(), options)
@settings(max_examples=60)
def test_every_frame_above_the_threshold_is_in_a_segment(recording: Recording, options: VoiceActivityOptions) -> None:
    covered = np.zeros(recording.probabilities.size, dtype=bool)
    for start, end in spans(segments_of(recording, options)):
        covered[start // FRAME_SAMPLES : -(-end // FRAME_SAMPLES)] = True
    assert covered[recording.probabilities >= options.threshold].all()


@given(recordings(), options, st.booleans(), portions)
@settings(max_examples=60)
def test_the_portions_make_no_difference(
    recording: Recording, options: VoiceActivityOptions, enabled: bool, portion_frames: list[int]
) -> None:
    chosen = VoiceActivityOptions(
        enabled=enabled,
        min_silence_ms=options.min_silence_ms,
        speech_pad_ms=options.speech_pad_ms,
        join_s=options.join_s,
    )
    at_once = segments_of(recording, chosen, [max(1, recording.probabilities.size)])
    in_portions = segments_of(recording, chosen, portion_frames)
    assert spans(in_portions) == spans(at_once)
    for segment in in_portions:
        start = segment.start_sample
        assert np.array_equal(segment.samples, recording.samples[start : start + segment.samples.size])


@given(recordings(), st.sampled_from([0.5, 4.0, 15.0, 45.0]))
@settings(max_examples=40)
def test_without_voice_activity_each_sample_is_in_exactly_one_segment(recording: Recording, join_s: float) -> None:
    found = segments_of(recording, VoiceActivityOptions(enabled=False, join_s=join_s))
    assert [start for start, _ in spans(found)] == [0, *(end for _, end in spans(found))][: len(found)]
    assert sum(segment.samples.size for segment in found) == recording.samples.size
    assert all(segment.samples.size <= min(join_s, MAX_SEGMENT_S) * SAMPLE_RATE_HZ for segment in found)


@given(recordings())
@settings(max_examples=20)
def test_blocks_follow_each_other_and_all_but_the_last_are_as_long_as_a_segment_may_be(recording: Recording) -> None:
    found = segments_of(recording, VoiceActivityOptions(enabled=False, blocks=True))
    assert [start for start, _ in spans(found)] == [0, *(end for _, end in spans(found))][: len(found)]
    assert np.array_equal(np.concatenate([*(each.samples for each in found), recording.samples[:0]]), recording.samples)
    assert {each.samples.size for each in found[:-1]} <= {
        MAX_SEGMENT_S * SAMPLE_RATE_HZ // FRAME_SAMPLES * FRAME_SAMPLES
    }


def test_silence_has_no_segments() -> None:
    assert segments_of(Recording(frames(60, SILENCE)), VoiceActivityOptions()) == []


def test_speech_is_padded_on_both_sides() -> None:
    recording = Recording(frames(2, SILENCE) + frames(1, SPEECH) + frames(3, SILENCE))
    ((start, end),) = spans(segments_of(recording, VoiceActivityOptions(speech_pad_ms=320)))
    before, spoken = round(2 * FRAMES_PER_S), round(FRAMES_PER_S)
    assert start == (before - 10) * FRAME_SAMPLES
    assert end == (before + spoken + 10) * FRAME_SAMPLES


def test_neighbours_share_a_pause_too_short_for_the_padding_of_both() -> None:
    recording = Recording(frames(8, SPEECH) + frames(0.32, SILENCE) + frames(8, SPEECH))
    first, second = spans(segments_of(recording, VoiceActivityOptions(join_s=10)))
    assert first[1] == second[0]
    assert first[1] == (round(8 * FRAMES_PER_S) + 5) * FRAME_SAMPLES


def test_speech_is_joined_across_short_pauses_with_the_pauses_in_it() -> None:
    recording = Recording((frames(3, SPEECH) + frames(1, SILENCE)) * 3 + frames(5, SILENCE))
    ((start, end),) = spans(segments_of(recording, VoiceActivityOptions(join_s=15)))
    assert start == 0
    assert end == pytest.approx((11 + 0.4) * SAMPLE_RATE_HZ, abs=2 * FRAME_SAMPLES)


def test_joined_speech_stays_within_the_length_asked_for() -> None:
    recording = Recording((frames(3, SPEECH) + frames(0.5, SILENCE)) * 10)
    found = segments_of(recording, VoiceActivityOptions(join_s=8))
    assert len(found) == 5
    assert all(segment.samples.size <= 8 * SAMPLE_RATE_HZ for segment in found)


def test_speech_is_not_joined_across_a_long_pause() -> None:
    recording = Recording(frames(1, SPEECH) + frames(4, SILENCE) + frames(1, SPEECH))
    assert len(segments_of(recording, VoiceActivityOptions(join_s=15))) == 2


def test_a_dip_between_the_thresholds_does_not_end_speech() -> None:
    recording = Recording(frames(2, SPEECH) + frames(5, BETWEEN) + frames(2, SPEECH))
    ((start, end),) = spans(segments_of(recording, VoiceActivityOptions(join_s=2)))
    assert (start, end) == (0, recording.samples.size)


def test_speech_shorter_than_asked_for_is_dropped() -> None:
    recording = Recording(frames(5, SILENCE) + frames(0.2, SPEECH) + frames(5, SILENCE) + frames(1, SPEECH))
    ((start, _),) = spans(segments_of(recording, VoiceActivityOptions(min_speech_ms=250)))
    assert start > 9 * SAMPLE_RATE_HZ


def test_what_a_cut_leaves_over_is_never_too_short_to_keep() -> None:
    probabilities = [SPEECH] * 914
    probabilities[908:910] = [BETWEEN, BETWEEN]
    recording = Recording(probabilities)
    found = spans(segments_of(recording, VoiceActivityOptions(min_speech_ms=250)))
    assert found == [(0, 909 * FRAME_SAMPLES), (909 * FRAME_SAMPLES, recording.samples.size)]


def test_a_noise_that_is_dropped_does_not_bridge_a_long_pause() -> None:
    noise = [SILENCE] * 60 + [SPEECH] + [SILENCE] * 5
    recording = Recording(frames(1, SPEECH) + noise + frames(1, SPEECH))
    assert len(segments_of(recording, VoiceActivityOptions(min_speech_ms=250, min_silence_ms=160))) == 2


def test_endless_speech_is_cut_where_it_is_quietest() -> None:
    recording = Recording(frames(60, SPEECH))
    quiet = round(20 * FRAMES_PER_S)
    recording.samples = recording.samples.copy()
    recording.samples[(quiet - 1) * FRAME_SAMPLES : (quiet + 1) * FRAME_SAMPLES] //= 100
    found = spans(segments_of(recording, VoiceActivityOptions()))
    assert found[0] == (0, quiet * FRAME_SAMPLES)
    assert found[1][0] == quiet * FRAME_SAMPLES
    assert found[-1][1] == recording.samples.size


def test_endless_speech_is_cut_where_speech_is_least_likely() -> None:
    probabilities = frames(40, SPEECH)
    dip = round(18 * FRAMES_PER_S)
    probabilities[dip - 1 : dip + 1] = [BETWEEN, BETWEEN]
    found = spans(segments_of(Recording(probabilities), VoiceActivityOptions()))
    assert found[0] == (0, dip * FRAME_SAMPLES)


def test_unbroken_speech_may_outgrow_the_joined_length() -> None:
    recording = Recording(frames(22, SPEECH) + frames(3, SILENCE))
    (segment,) = segments_of(recording, VoiceActivityOptions(join_s=15))
    assert segment.samples.size > 22 * SAMPLE_RATE_HZ


@pytest.mark.parametrize("probability", [SPEECH, BETWEEN, SILENCE])
@pytest.mark.parametrize("enabled", [True, False])
def test_an_hour_keeps_no_more_than_a_minute(probability: float, enabled: bool) -> None:
    cutter: Any = segmenter(VoiceActivityOptions(enabled=enabled))
    second = np.random.default_rng(1).integers(-3000, 3000, 32 * FRAME_SAMPLES, dtype=np.int16)
    most = 0
    for _ in range(3516):
        cutter.push(second, np.full(32, probability, dtype=np.float32))
        most = max(most, cutter.held_samples)
    assert 0 < most <= MAX_HELD_S * SAMPLE_RATE_HZ


@pytest.mark.parametrize("pad_ms", [0, 400, 5000])
def test_no_speech_is_held_back_for_longer_than_said(pad_ms: int) -> None:
    longest = (937 - 2 * -(-pad_ms // FRAME_MS)) * FRAME_MS / 1000
    recording = Recording(frames(longest - 0.2, SPEECH) + frames(1.9, SILENCE) + frames(40, SPEECH))
    cutter = segmenter(VoiceActivityOptions(speech_pad_ms=pad_ms))
    decoded = held = 0
    for samples, probabilities in recording.portions([64]):
        decoded += samples.size
        held = max([held, *(decoded - segment.start_sample for segment in cutter.push(samples, probabilities))])
    assert (2 * longest) * SAMPLE_RATE_HZ < held <= MAX_HELD_S * SAMPLE_RATE_HZ


def test_a_portion_after_one_that_ended_within_a_frame_is_refused() -> None:
    cutter = SpeechSegmenter(VoiceActivityOptions())
    cutter.push(np.zeros(100, dtype=np.int16), np.zeros(1, dtype=np.float32))
    with pytest.raises(ValueError, match="within a frame"):
        cutter.push(np.zeros(512, dtype=np.int16), np.zeros(1, dtype=np.float32))


def test_probabilities_must_match_the_sound() -> None:
    with pytest.raises(ValueError, match="frames"):
        SpeechSegmenter(VoiceActivityOptions()).push(np.zeros(1024, dtype=np.int16), np.zeros(1, dtype=np.float32))


def test_a_full_segment_fits_a_slot() -> None:
    assert MAX_SEGMENT_FRAMES * FRAME_SAMPLES <= MAX_SEGMENT_S * SAMPLE_RATE_HZ
    assert FRAME_MS == 32
