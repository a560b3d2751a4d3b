"""A file in, its speech in slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from batchscribe_engine.media.segment import FRAME_SAMPLES
from batchscribe_engine.messages import (
    MAX_SEPARATE_CHANNELS,
    MediaFailed,
    MediaFinished,
    MediaOpened,
    MediaProgress,
    SegmentReady,
    SlotWanted,
    VoiceActivityOptions,
)
from tests.media_files import ENCODINGS, encoded
from tests.speech import RATE_HZ, joined, read_wav, side_by_side, silence, silent, spoken, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

FIRST = "The quick brown fox jumps over the lazy dog."
SECOND = "In seventeen minutes, the museum opens its doors."
PAUSE_S = 5.0


def two_utterances(tmp_path: Path) -> Path:
    return joined([spoken(FIRST), spoken(SECOND)], PAUSE_S, tmp_path / "two.wav")


def test_each_utterance_becomes_a_segment_at_its_place(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = two_utterances(tmp_path)
    run = run_task(path)
    source = read_wav(path)
    first, second = run.of(SegmentReady)
    boundary = read_wav(spoken(FIRST)).size
    pad = 0.4 * RATE_HZ + 3 * FRAME_SAMPLES
    assert (first.index, second.index) == (0, 1)
    assert first.start_sample <= 0.2 * RATE_HZ
    assert boundary - 0.5 * RATE_HZ <= first.start_sample + first.samples <= boundary + pad
    onset = boundary + PAUSE_S * RATE_HZ
    assert onset - pad <= second.start_sample <= onset + 0.2 * RATE_HZ
    for segment in (first, second):
        end = segment.start_sample + segment.samples
        assert np.array_equal(run.sounds[segment.index], source[segment.start_sample : end])


def test_the_messages_come_in_the_order_of_the_contract(run_task: Callable[..., Any], tmp_path: Path) -> None:
    run = run_task(two_utterances(tmp_path))
    kinds = [type(message) for message in run.messages if not isinstance(message, MediaProgress)]
    assert kinds == [MediaOpened, SlotWanted, SegmentReady, SlotWanted, SegmentReady, MediaFinished]
    finished = run.last
    assert finished.duration_ms == 1000 * read_wav(two_utterances(tmp_path)).size // RATE_HZ
    assert finished.speech_ms == sum(segment.samples for segment in run.of(SegmentReady)) * 1000 // RATE_HZ
    assert finished.segments == 2
    assert finished.warning == ""


def test_segments_before_the_first_wanted_are_found_and_passed_over(
    run_task: Callable[..., Any], tmp_path: Path
) -> None:
    path = two_utterances(tmp_path)
    whole, resumed = run_task(path), run_task(path, first_segment=1)
    assert [m.index for m in resumed.of(SegmentReady)] == [1]
    assert len(resumed.of(SlotWanted)) == 1
    assert resumed.of(SegmentReady)[0].start_sample == whole.of(SegmentReady)[1].start_sample
    assert np.array_equal(resumed.sounds[1], whole.sounds[1])
    assert resumed.last == whole.last


def test_without_voice_activity_the_whole_file_is_sent(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = two_utterances(tmp_path)
    run = run_task(path, voice_activity=VoiceActivityOptions(enabled=False, join_s=4.0))
    assert np.array_equal(np.concatenate([run.sounds[index] for index in sorted(run.sounds)]), read_wav(path))


def test_a_moment_of_silence_is_an_honest_nothing(run_task: Callable[..., Any], tmp_path: Path) -> None:
    run = run_task(silent(0.05, tmp_path / "silence.wav"))
    assert run.last == MediaFinished(7, duration_ms=50, speech_ms=0, segments=0)


def test_minutes_of_silence_bring_signs_of_life(run_task: Callable[..., Any], tmp_path: Path) -> None:
    run = run_task(silent(200, tmp_path / "silence.wav"))
    told = [message.decoded_ms for message in run.of(MediaProgress)]
    assert len(told) >= 3
    assert told == sorted(told)
    assert run.last == MediaFinished(7, duration_ms=200_000, speech_ms=0, segments=0)


def test_a_file_that_says_it_is_too_long_is_refused_before_any_work(
    run_task: Callable[..., Any], tmp_path: Path
) -> None:
    run = run_task(two_utterances(tmp_path), max_duration_ms=5_000)
    (failed,) = run.messages
    assert failed.reason == "MEDIA_TOO_LONG"
    assert "0:00:05" in failed.message


def test_a_file_that_turns_out_too_long_is_stopped(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = encoded(two_utterances(tmp_path), tmp_path, ENCODINGS["flac"])
    content = bytearray(path.read_bytes())
    content[22:26] = (RATE_HZ).to_bytes(4, "big")  # "one second", it says
    path.write_bytes(content)
    run = run_task(path, max_duration_ms=5_000)
    assert run.messages[0].duration_ms == 1000
    assert run.last.reason == "MEDIA_TOO_LONG"


def test_a_file_as_long_as_allowed_is_heard(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = two_utterances(tmp_path)
    exact_ms = 1000 * read_wav(path).size // RATE_HZ
    assert isinstance(run_task(path, max_duration_ms=exact_ms).last, MediaFinished)
    assert isinstance(run_task(path, max_duration_ms=exact_ms - 1).last, MediaFailed)


def test_a_whisper_of_speech_at_the_very_end_is_not_lost(run_task: Callable[..., Any], tmp_path: Path) -> None:
    word = read_wav(spoken("Stop."))
    path = write_wav(tmp_path / "end.wav", [silence(3), word[: word.size - word.size % 7]])
    (segment,) = run_task(path).of(SegmentReady)
    assert segment.start_sample + segment.samples == 3 * RATE_HZ + word.size - word.size % 7


@pytest.mark.parametrize(
    "voice_activity",
    [
        pytest.param(VoiceActivityOptions(min_silence_ms=60_000), id="speech"),
        pytest.param(VoiceActivityOptions(enabled=False, join_s=20.0), id="everything"),
    ],
)
def test_speech_without_an_end_is_cut_between_words(
    run_task: Callable[..., Any], tmp_path: Path, voice_activity: VoiceActivityOptions
) -> None:
    # No pause of it ends the speech, so that every cut is made for length alone.
    path = write_wav(
        tmp_path / "endless.wav", [_without_its_ends(read_wav(spoken(text))) for text in [FIRST, SECOND] * 12]
    )
    source = read_wav(path).astype(np.float64)
    typical = np.sqrt(np.mean(source**2))
    starts = [segment.start_sample for segment in run_task(path, voice_activity=voice_activity).of(SegmentReady)][1:]
    assert len(starts) >= 2
    for start in starts:
        around = source[start - FRAME_SAMPLES : start + FRAME_SAMPLES]
        assert np.sqrt(np.mean(around**2)) < 0.1 * typical


def _without_its_ends(speech: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    loud = np.flatnonzero(np.abs(speech) > 500)
    return speech[loud[0] : loud[-1] + 1]


def test_channels_are_cut_apart_and_come_in_order(run_task: Callable[..., Any], tmp_path: Path) -> None:
    question, answer = read_wav(spoken(FIRST)), read_wav(spoken(SECOND))
    asking = np.concatenate([question, silence(8.0), question])
    answering = np.concatenate([silence(question.size / RATE_HZ), answer])
    channels = np.stack([asking, np.pad(answering, (0, asking.size - answering.size))])
    path = side_by_side(channels, tmp_path / "call.wav")
    run = run_task(path, separate_channels=True)
    assert run.of(MediaOpened)[0].same_sound_as == (0, 1)
    segments = run.of(SegmentReady)
    assert [segment.channel for segment in segments] == [0, 1, 0]
    assert [segment.index for segment in segments] == [0, 1, 2]
    for segment in segments:
        sound = channels[segment.channel, segment.start_sample :][: segment.samples]
        assert np.array_equal(run.sounds[segment.index], sound)
    assert run.last.segments == 3
    resumed = run_task(path, separate_channels=True, first_segment=2)
    assert resumed.of(SegmentReady)[0].start_sample == segments[2].start_sample


def test_channels_with_the_same_sound_are_heard_once(run_task: Callable[..., Any], tmp_path: Path) -> None:
    voice = read_wav(spoken(FIRST))
    other = voice.copy()
    other[-1] += 1
    path = side_by_side([voice, other, voice], tmp_path / "same.wav")
    run = run_task(path, separate_channels=True)
    assert run.of(MediaOpened)[0].same_sound_as == (0, 1, 0)
    assert [segment.channel for segment in run.of(SegmentReady)] == [0, 1]
    assert run.last.duration_ms == 1000 * voice.size // RATE_HZ


def test_one_channel_is_heard_apart_as_well(run_task: Callable[..., Any], tmp_path: Path) -> None:
    run = run_task(two_utterances(tmp_path), separate_channels=True)
    assert run.of(MediaOpened)[0].same_sound_as == (0,)
    assert [segment.channel for segment in run.of(SegmentReady)] == [0, 0]


def test_more_channels_than_can_be_heard_apart_are_refused(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = side_by_side([read_wav(spoken(FIRST))] * (MAX_SEPARATE_CHANNELS + 1), tmp_path / "many.wav")
    assert isinstance(run_task(path).last, MediaFinished)
    failed = run_task(path, separate_channels=True).last
    assert isinstance(failed, MediaFailed)
    assert failed.reason == "UNSUPPORTED_FORMAT"
    assert "10 channels" in failed.message


def test_only_what_lies_between_the_offsets_is_heard(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = two_utterances(tmp_path)
    source = read_wav(path)
    first = read_wav(spoken(FIRST))
    start_ms = first.size // 16 + 1_234
    late = run_task(path, start_ms=start_ms)
    (segment,) = late.of(SegmentReady)
    assert segment.start_sample >= start_ms // 10 * 160
    assert np.array_equal(late.sounds[0], source[segment.start_sample :][: segment.samples])
    assert late.last.duration_ms == 1000 * source.size // RATE_HZ
    early = run_task(path, end_ms=start_ms)
    (segment,) = early.of(SegmentReady)
    assert np.array_equal(early.sounds[0], source[segment.start_sample :][: segment.samples])
    assert (early.last.duration_ms, early.last.warning) == (start_ms, "")
    everything = VoiceActivityOptions(enabled=False, join_s=30.0)
    part = run_task(path, start_ms=1_000, end_ms=2_500, voice_activity=everything)
    assert [(s.start_sample, s.samples) for s in part.of(SegmentReady)] == [(16_000, 24_000)]
    assert np.array_equal(part.sounds[0], source[16_000:40_000])


def test_a_start_after_the_end_of_the_file_is_said(run_task: Callable[..., Any], tmp_path: Path) -> None:
    failed = run_task(two_utterances(tmp_path), start_ms=3_600_000).last
    assert isinstance(failed, MediaFailed)
    assert failed.reason == "NO_AUDIO"
    assert "start_offset" in failed.message
