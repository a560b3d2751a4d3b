"""The same speech out of every kind of file."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from batchscribe_engine.media.decoder import MediaFile
from tests.media_files import ENCODINGS, encoded
from tests.open_files import opened
from tests.speech import read_wav, spoken

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "In seventeen minutes, the museum opens its doors to everyone who waited outside in the rain."

PRIMING_MS = {"aac": 25, "mpegts": 25, "flv": 25, "avi": 25, "wma": 50, "amr": 10, "ac3": 10, "g722": 10}
"""Where a format has no means to say how much its encoder put before the sound."""

Sound = np.ndarray[Any, np.dtype[np.float64]]


def heard(path: Path) -> Sound:
    with MediaFile(opened(path), path.name) as media:
        sound = np.concatenate(list(media.blocks()))
        assert media.warning == ""
    assert sound.dtype == np.int16
    return sound.astype(np.float64)


def delay_ms(sound: Sound, source: Sound) -> float:
    size = 2 * max(sound.size, source.size)
    likeness = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(source, size)), size)
    best = int(np.argmax(likeness))
    return (best if best < size // 2 else best - size) / 16


def energy(sound: Sound) -> float:
    return float(np.sqrt(np.sum(sound**2)))


@pytest.mark.parametrize("name", ENCODINGS)
def test_speech_is_the_same_out_of(name: str, tmp_path: Path) -> None:
    source_path = spoken(TEXT)
    source = read_wav(source_path).astype(np.float64)
    sound = heard(encoded(source_path, tmp_path, ENCODINGS[name]))
    allowed_ms = PRIMING_MS.get(name, 1)
    assert 0 <= delay_ms(sound, source) <= allowed_ms
    assert sound.size / 16 == pytest.approx(source.size / 16, abs=allowed_ms + 35)
    assert energy(sound) == pytest.approx(energy(source), rel=0.08)


@pytest.mark.parametrize(("layout", "channels"), [("stereo", 2), ("5.1", 6)])
def test_a_voice_in_one_channel_is_heard(layout: str, channels: int, tmp_path: Path) -> None:
    source_path = spoken(TEXT)
    weights = (0.0,) * (channels - 1) + (1.0,)
    sound = heard(encoded(source_path, tmp_path, ENCODINGS[f"wav-{layout}"], weights=weights))
    assert energy(sound) == pytest.approx(energy(read_wav(source_path).astype(np.float64)) / channels, rel=0.02)


@pytest.mark.parametrize("name", ["mkv", "mpegts"])
def test_sound_that_starts_late_keeps_its_time(name: str, tmp_path: Path) -> None:
    source_path = spoken(TEXT)
    sound = heard(encoded(source_path, tmp_path, ENCODINGS[name], sound_starts_s=3.0))
    assert delay_ms(sound, read_wav(source_path).astype(np.float64)) == pytest.approx(3000, abs=60)


@pytest.mark.parametrize("name", ["mkv", "webm", "mp4", "mka-flac"])
def test_sound_that_is_missing_is_silence(name: str, tmp_path: Path) -> None:
    source_path = spoken(TEXT)
    source = read_wav(source_path).astype(np.float64)
    sound = heard(encoded(source_path, tmp_path, ENCODINGS[name], left_out_s=(1.0, 2.5)))
    assert energy(sound[int(1.2 * 16_000) : int(2.4 * 16_000)]) == 0
    rest = slice(int(2.8 * 16_000), min(source.size, sound.size))
    assert delay_ms(sound[rest], source[rest]) == pytest.approx(0, abs=10)


@pytest.mark.parametrize("file_name", ["call.G722", "a folder/call.g722"])
def test_a_format_without_a_header_is_known_by_the_name_the_file_had(file_name: str, tmp_path: Path) -> None:
    source_path = spoken(TEXT)
    spooled = encoded(source_path, tmp_path, ENCODINGS["g722"]).rename(tmp_path / "0199a-spooled")
    with MediaFile(opened(spooled), file_name) as media:
        assert media.info.codec == "g722"
        samples = sum(block.size for block in media.blocks())
    assert samples == pytest.approx(read_wav(source_path).size, rel=0.01)


def test_the_container_says_what_it_is(tmp_path: Path) -> None:
    path = encoded(spoken(TEXT), tmp_path, ENCODINGS["wav-5.1"])
    with MediaFile(opened(path), path.name) as media:
        info = media.info
    assert (info.container, info.codec, info.sample_rate_hz, info.channels) == ("wav", "pcm_s16le", 48_000, 6)
    assert info.duration_ms == pytest.approx(1000 * read_wav(spoken(TEXT)).size / 16_000, abs=5)


def test_dts_that_passes_for_the_pcm_of_a_wav_file_is_recognised(tmp_path: Path) -> None:
    # Sync word, then: a normal frame, 32 samples in 16 blocks, 2048 bytes, stereo, 48 kHz, 1411 kbit/s.
    header = f"{0x7FFE8001:032b}" + f"1{31:05b}0{15:07b}{2047:014b}{2:06b}{13:04b}{24:05b}"
    frame = int(header.ljust(128, "0"), 2).to_bytes(16, "big") + bytes(37 * place % 251 for place in range(2048 - 16))
    path = tmp_path / "film.wav"
    with wave.open(str(path), "wb") as film:
        film.setnchannels(2)
        film.setsampwidth(2)
        film.setframerate(48_000)
        film.writeframes(np.frombuffer(frame, dtype=">i2").astype("<i2").tobytes() * 400)
    with MediaFile(opened(path), path.name) as media:
        assert media.info.codec == "dca"


def test_blocks_are_short_however_long_the_file_is(tmp_path: Path) -> None:
    path = encoded(spoken(TEXT), tmp_path, ENCODINGS["wav"])
    with MediaFile(opened(path), path.name) as media:
        assert max(block.size for block in media.blocks()) <= 20_000
