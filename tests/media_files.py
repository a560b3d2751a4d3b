"""Media files for the tests, made from speech: all kinds of containers and codecs, and ways of being broken."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.speech import RATE_HZ, read_wav

_VIDEO_FRAMES_PER_S = 5


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode: FFmpeg's names for the codec and, where the suffix doesn't say it, the container."""

    suffix: str
    codec: str
    rate_hz: int
    layout: str = "mono"
    container: str | None = None
    with_video: str | None = None  # a video codec
    bit_rate: int | None = None


ENCODINGS = {
    "wav": Encoding(".wav", "pcm_s16le", 44_100),
    "wav-u8": Encoding(".wav", "pcm_u8", 16_000),
    "wav-24": Encoding(".wav", "pcm_s24le", 48_000),
    "wav-float": Encoding(".wav", "pcm_f32le", 48_000),
    "wav-double": Encoding(".wav", "pcm_f64le", 22_050),
    "wav-mulaw": Encoding(".wav", "pcm_mulaw", 8_000),
    "wav-alaw": Encoding(".wav", "pcm_alaw", 8_000),
    "wav-stereo": Encoding(".wav", "pcm_s16le", 48_000, layout="stereo"),
    "wav-5.1": Encoding(".wav", "pcm_s16le", 48_000, layout="5.1"),
    "wav-7.1": Encoding(".wav", "pcm_s32le", 96_000, layout="7.1"),
    "aiff": Encoding(".aiff", "pcm_s16be", 44_100, layout="stereo"),
    "au": Encoding(".au", "pcm_mulaw", 8_000),
    "mp3": Encoding(".mp3", "libmp3lame", 44_100, layout="stereo"),
    "mp3-8k": Encoding(".mp3", "libmp3lame", 8_000),
    "m4a": Encoding(".m4a", "aac", 44_100, layout="stereo", container="mp4"),
    "aac": Encoding(".aac", "aac", 48_000, container="adts"),
    "alac": Encoding(".m4a", "alac", 44_100, layout="stereo", container="mp4"),
    "flac": Encoding(".flac", "flac", 16_000),
    "ogg-opus": Encoding(".opus", "libopus", 48_000, container="ogg"),
    "ogg-vorbis": Encoding(".ogg", "vorbis", 44_100, layout="stereo"),
    "webm": Encoding(".webm", "libopus", 48_000, layout="stereo"),
    "mka-flac": Encoding(".mka", "flac", 48_000, container="matroska"),
    "amr": Encoding(".amr", "libopencore_amrnb", 8_000, bit_rate=12_200),
    "wma": Encoding(".wma", "wmav2", 44_100, layout="stereo", container="asf", bit_rate=128_000),
    "ac3": Encoding(".ac3", "ac3", 48_000, layout="5.1"),
    "opus-7.1": Encoding(".mka", "libopus", 48_000, layout="7.1", container="matroska"),
    "wavpack": Encoding(".wv", "wavpack", 44_100),
    "g722": Encoding(".g722", "g722", 16_000),
    "mp4": Encoding(".mp4", "aac", 48_000, layout="stereo", with_video="mpeg4"),
    "mkv": Encoding(".mkv", "libmp3lame", 48_000, layout="stereo", container="matroska", with_video="mpeg4"),
    "mpegts": Encoding(".ts", "aac", 48_000, layout="stereo", container="mpegts", with_video="mpeg2video"),
    "avi": Encoding(".avi", "libmp3lame", 48_000, layout="stereo", with_video="mpeg4"),
    "flv": Encoding(".flv", "aac", 44_100, layout="stereo", with_video="flv"),
}


def encoded(
    source: Path,
    folder: Path,
    encoding: Encoding,
    *,
    weights: tuple[float, ...] | None = None,
    sound_starts_s: float = 0.0,
    left_out_s: tuple[float, float] | None = None,
) -> Path:
    """`source` (a 16 kHz WAV) in another format, written into `folder`.

    `weights` says how loud it is in each channel (1 everywhere). With `sound_starts_s` the time stamps of the sound
    begin so much later than those of the file; between the two times `left_out_s` there are no packets.
    """
    destination = folder / f"{source.stem}-{encoding.codec}-{encoding.rate_hz}{encoding.suffix}"
    with av.open(str(destination), "w", format=encoding.container) as container:
        sound: Any = container.add_stream(
            encoding.codec,
            rate=encoding.rate_hz,
            layout=encoding.layout,
            options={"strict": "experimental"},  # FFmpeg's own Vorbis encoder calls itself that
        )
        if encoding.bit_rate:
            sound.bit_rate = encoding.bit_rate
        samples = read_wav(source)
        if encoding.with_video:
            _add_video(container, encoding.with_video, samples.size / RATE_HZ + sound_starts_s)
        channels = sound.codec_context.layout.nb_channels
        gains = np.asarray(weights or (1.0,) * channels, dtype=np.float32)
        resampler = av.AudioResampler(format=sound.codec_context.format, layout=encoding.layout, rate=encoding.rate_hz)
        portion = RATE_HZ // 10
        for start in range(0, samples.size, portion):
            mono = samples[start : start + portion].astype(np.float32) / 32768
            # Packed: PyAV 18 counts one plane too many in planar frames of eight channels.
            packed = np.outer(mono, gains).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=encoding.layout)
            frame.sample_rate = RATE_HZ
            frame.time_base = Fraction(1, RATE_HZ)
            frame.pts = start
            for ready in resampler.resample(frame):
                _encode(container, sound, ready, sound_starts_s, left_out_s)
        for ready in resampler.resample(None):
            _encode(container, sound, ready, sound_starts_s, left_out_s)
        _encode(container, sound, None, sound_starts_s, left_out_s)
    return destination


def video_without_sound(folder: Path, duration_s: float = 1.0) -> Path:
    """An MP4 with a video stream alone."""
    destination = folder / "silent-film.mp4"
    with av.open(str(destination), "w") as container:
        _add_video(container, "mpeg4", duration_s)
    return destination


def truncated(source: Path, folder: Path, fraction: float) -> Path:
    """The first part of a file."""
    content = source.read_bytes()
    destination = folder / f"truncated-{source.name}"
    destination.write_bytes(content[: int(len(content) * fraction)])
    return destination


def garbled(source: Path, folder: Path, start: float, end: float) -> Path:
    """A file with noise in the place of its bytes between two fractions of its length."""
    content = bytearray(source.read_bytes())
    first, last = int(len(content) * start), int(len(content) * end)
    content[first:last] = np.random.default_rng(7).bytes(last - first)
    destination = folder / f"garbled-{source.name}"
    destination.write_bytes(content)
    return destination


def renamed_text(folder: Path) -> Path:
    """A text that is called .wav."""
    destination = folder / "notes.wav"
    destination.write_text("Not a sound, but the minutes of a meeting that somebody renamed.\n" * 40)
    return destination


def declared_wav(folder: Path, declared_bytes: int, samples: np.ndarray[Any, np.dtype[np.int16]]) -> Path:
    """A WAV whose header declares `declared_bytes` of 16 kHz mono sound, and that holds `samples`."""
    destination = folder / "declared.wav"
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        min(declared_bytes + 36, 0xFFFFFFFF),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        RATE_HZ,
        2 * RATE_HZ,
        2,
        16,
        b"data",
        min(declared_bytes, 0xFFFFFFFF),
    )
    destination.write_bytes(head + samples.astype("<i2").tobytes())
    return destination


def _encode(container: Any, stream: Any, frame: Any, starts_s: float, left_out_s: tuple[float, float] | None) -> None:
    for packet in stream.encode(frame):
        time_s = float((packet.pts or 0) * packet.time_base)
        if left_out_s and left_out_s[0] <= time_s < left_out_s[1]:
            continue
        if starts_s:
            delay = round(starts_s / packet.time_base)
            packet.pts += delay
            packet.dts += delay
        container.mux(packet)


def _add_video(container: Any, codec: str, duration_s: float) -> None:
    stream = container.add_stream(codec, rate=_VIDEO_FRAMES_PER_S if codec != "mpeg2video" else 25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    rate = _VIDEO_FRAMES_PER_S if codec != "mpeg2video" else 25
    for number in range(int(duration_s * rate)):
        picture = np.full((48, 64, 3), number % 256, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
