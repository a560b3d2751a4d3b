"""How long files say that they are, how long they are, and how long they may be."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from batchscribe_engine.media import decoder
from batchscribe_engine.messages import MediaFailed, MediaFinished, MediaOpened
from tests.media_files import ENCODINGS, Encoding, encoded
from tests.speech import RATE_HZ, silence, silent, spoken, write_wav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOISE_S = 4.0


def quiet_then_loud(folder: Path) -> Path:
    """AAC without a container whose quiet beginning takes few bits: FFmpeg guesses that all of it does."""
    noise = np.random.default_rng(1).normal(0, 6_000, int(NOISE_S * RATE_HZ)).astype(np.int16)
    return encoded(write_wav(folder / "a.wav", [silence(2.0), noise]), folder, ENCODINGS["aac"])


def with_late_video(flv: bytes) -> bytes:
    """An FLV file of sound with a second of pictures in its middle, which its header says nothing of."""
    begin, tags = flv[:13], []
    place = len(begin)
    while place < len(flv):
        size = 15 + int.from_bytes(flv[place + 1 : place + 4], "big")
        tags.append(flv[place : place + size])
        place += size
    pictures = [picture_at(tags[len(tags) // 2]) for _ in range(25)]
    return b"".join([begin, *tags[: len(tags) // 2], *pictures, *tags[len(tags) // 2 :]])


def picture_at(tag: bytes) -> bytes:
    """A tag of video at the time of another tag."""
    data = b"\x12" + bytes(40)
    header = b"\x09" + len(data).to_bytes(3, "big") + tag[4:11]
    return header + data + (len(header) + len(data)).to_bytes(4, "big")


def test_a_guess_is_no_reason_to_refuse_a_file(run_task: Callable[..., Any], tmp_path: Path) -> None:
    run = run_task(quiet_then_loud(tmp_path), max_duration_ms=10_000)
    (opened,) = run.of(MediaOpened)
    assert opened.duration_ms > 10_000
    assert isinstance(run.last, MediaFinished)
    assert run.last.duration_ms == pytest.approx(6_000, abs=100)


def test_a_file_whose_packets_are_too_long_is_refused_before_it_is_decoded(
    run_task: Callable[..., Any], tmp_path: Path
) -> None:
    run = run_task(quiet_then_loud(tmp_path), max_duration_ms=3_000)
    assert [type(message) for message in run.messages] == [MediaFailed]
    assert run.last.reason == "MEDIA_TOO_LONG"


def test_what_unpacks_to_more_than_any_recording_does_is_refused(
    run_task: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encoded(silent(60.0, tmp_path / "a.wav"), tmp_path, ENCODINGS["flac"])
    monkeypatch.setattr(decoder, "EXPANDED_FREELY_S", 5.0)
    monkeypatch.setattr(decoder, "LEAST_BYTES_PER_SECOND", 1_000)
    run = run_task(path)
    assert run.last.reason == "DECODE_FAILED"
    assert "unpacks to more than" in run.last.message


@pytest.mark.parametrize(("suffix", "codec"), [(".webm", "libopus"), (".mkv", "flac")])
def test_a_track_that_is_muted_for_long_is_no_bomb(
    run_task: Callable[..., Any], tmp_path: Path, suffix: str, codec: str
) -> None:
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE_HZ, layout="mono")
        for start_s in (0, 1, 1800):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, RATE_HZ), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start_s * RATE_HZ, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert path.stat().st_size < 4_000
    run = run_task(path)
    assert isinstance(run.last, MediaFinished)
    assert run.last.duration_ms == pytest.approx(1_801_000, abs=200)


@pytest.mark.parametrize("name", ["flac", "ogg-opus", "wavpack", "amr"])
def test_digital_silence_takes_more_than_is_asked_for(tmp_path: Path, name: str) -> None:
    path = encoded(silent(60.0, tmp_path / "a.wav"), tmp_path, ENCODINGS[name])
    assert path.stat().st_size > 2 * decoder.LEAST_BYTES_PER_SECOND * 60


def test_a_length_that_the_bytes_cannot_hold_is_not_told(run_task: Callable[..., Any], tmp_path: Path) -> None:
    path = encoded(spoken("One two three."), tmp_path, ENCODINGS["wavpack"])
    content = bytearray(path.read_bytes())
    content[12:16] = (0xCB000000).to_bytes(4, "little")  # the number of samples, in the first block's header
    path.write_bytes(content)
    (opened,) = run_task(path).of(MediaOpened)
    assert opened.duration_ms == 0


def test_a_stream_that_shows_up_late_does_not_end_the_sound(run_task: Callable[..., Any], tmp_path: Path) -> None:
    sound = Encoding(".flv", "libmp3lame", 44_100)
    path = encoded(silent(240.0, tmp_path / "a.wav"), tmp_path, sound)
    path.write_bytes(with_late_video(path.read_bytes()))
    run = run_task(path)
    assert isinstance(run.last, MediaFinished)
    assert run.last.duration_ms == pytest.approx(240_000, abs=200)  # long enough not to be looked through at first


def test_raw_samples_that_look_like_a_bare_stream_are_no_damaged_file(
    run_task: Callable[..., Any], tmp_path: Path
) -> None:
    chance = random.Random(1)
    # Sync words and lengths of ADTS, and a rate that there is none of.
    frames = b"".join(b"\xff\xf1\x74\x40\x05\x1f\xfc" + chance.randbytes(33) for _ in range(40))
    path = tmp_path / "call.l16"
    path.write_bytes(frames + chance.randbytes(4_000))
    run = run_task(path)
    assert run.last.reason == "UNSUPPORTED_FORMAT"
    assert "aac" in run.last.message
