"""Media files of any kind as a stream of 16 kHz sound, mono or by channels. The only module that imports av."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import av
import av.error
import av.logging
import numpy as np

from batchscribe_engine.media.demuxers import ALLOWED_DEMUXERS, DEMUXER_OF_SUFFIX, GUESSED_DEMUXERS
from batchscribe_engine.media.failure import MediaError
from batchscribe_engine.media.mixdown import MOST_PLANES, apart, first_alike, mono
from batchscribe_engine.media.source_file import SourceFile
from batchscribe_engine.media.timeline import Timeline, clock
from batchscribe_engine.messages import MAX_SEPARATE_CHANNELS, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 1_000_000
"""Beyond these a second of sound is a lie, and could be made to take any amount of memory."""

_MOST_READ_FAILURES = 20
_READ_BYTES = 256 * 1024
_WAV_PROBE_BYTES = 32 * 1024
"""FFmpeg reads 5 s of a WAV file, whose header says all there is to know, in search of DTS that passes for PCM: half
the time that a short file takes. DTS shows itself in its first few frames, of 2 KB each."""

LEAST_BYTES_PER_SECOND = 10
EXPANDED_FREELY_S = 4 * 3600.0
"""The densest coding of nothing (FLAC or Opus of digital silence) takes some 20 bytes a second, and a participant who
was muted for a whole meeting none at all: the track is a gap. What holds more sound than both was made to keep a worker
busy, which hears four hours of silence in half a minute."""

_LEAST_SPEECH_BYTES_PER_SECOND = 250
"""Speech is not coded in less. A file too small for the length it declares is not believed."""

_EXACT_DURATION = {"aiff", "caf", "flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "w64"}
"""Containers that state how long they are; of others FFmpeg guesses it from the bit rate or the size."""

# FFmpeg's own log would repeat parts of the file; what matters is told in the messages to the server.
av.logging.set_level(None)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a container says of itself and of its sound.

    `duration_ms` is 0 where it says nothing, or more than so many bytes can hold; otherwise it may be a guess.
    """

    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    duration_ms: int


class MediaFile:
    """One open media file and one of its tracks of sound, which may be read once, in one of three ways.

    FFmpeg reads through a Python file, under demuxers that open nothing else; whatever asks for another file or a
    host all the same is refused. Only the decoder of the sound runs, on one thread.
    """

    def __init__(self, descriptor: int, file_name: str = "", track: int | None = None) -> None:
        """Read the file of an open descriptor, which stays its owner's; `file_name` is what the file is called.

        `track` is one of its `tracks`, the best one by default.

        Raises MediaError (FETCH_FAILED, MEDIA_TOO_SMALL, UNSUPPORTED_FORMAT, DECODE_FAILED, NO_AUDIO), and MemoryError.
        """
        with contextlib.ExitStack() as opened:
            self._file = SourceFile(descriptor)
            demuxer = DEMUXER_OF_SUFFIX.get(Path(file_name).suffix.lower())
            self._container = opened.enter_context(_open_container(self._file, demuxer))
            self._stream = _sound_of(self._container, track)
            self.size_bytes = self._file.size_bytes
            self.info = _info(self._container, self._stream, self.size_bytes)
            self._declared_s = _declared_s(self._container, self._stream)
            self._most_s = EXPANDED_FREELY_S + self.size_bytes / LEAST_BYTES_PER_SECOND
            self._opened = opened.pop_all()
        self._position_s = 0.0
        self._lost_at_s: float | None = None
        self._heard_after_loss = False
        self._found_packet = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no more; a second time does nothing."""
        self._opened.close()

    def blocks(self) -> Iterator[npt.NDArray[np.int16]]:
        """The sound of all channels from the start of the file, int16 of shape (n,) at 16 kHz, some second at a time.

        What cannot be decoded is left out, or silent where time stamps tell how long it was; see `warning`. Raises
        MediaError where the file can no longer be read (FETCH_FAILED) or lies about its rate (UNSUPPORTED_FORMAT), and
        MemoryError where it takes too much memory.
        """
        for block in self._resampled(lambda frame: mono(frame).reshape(1, -1)):
            yield block[0]

    def channel_blocks(self) -> Iterator[npt.NDArray[np.int16]]:
        """The sound of each channel, int16 of shape (channels, n); otherwise as `blocks`.

        There are as many channels as at first: where the file goes on with fewer, the others are silent. Raises
        MediaError UNSUPPORTED_FORMAT also where it goes on with more, and for more than can be heard apart.
        """
        yield from self._resampled(apart)

    def channels_alike(self) -> Iterator[tuple[int, ...]]:
        """For each channel the first one that has sounded the very same so far, told after each decoded frame."""
        packing = _Packing()
        alike: tuple[int, ...] = ()
        for frame in self._frames():
            now = first_alike(packing.packed(frame))
            both = list(zip(alike or (0,) * len(now), now, strict=False))
            # Channels that are missing now are silent, unlike any that is there.
            both += [(index, -1) for index in alike[len(both) :]]
            alike = tuple(map(both.index, both))
            self._advance(frame.samples / frame.sample_rate)
            yield alike

    def _resampled(self, samples_of: Callable[[Any], npt.NDArray[np.float32]]) -> Iterator[npt.NDArray[np.int16]]:
        start_us = self._container.start_time
        timeline = Timeline(None if start_us is None else start_us / 1_000_000)
        packing = _Packing()
        resampler: _Resampler | None = None
        for frame in self._frames():
            rate_hz = frame.sample_rate
            samples = samples_of(packing.packed(frame))
            if resampler is None:
                _refuse_too_many(len(samples))
                resampler = _Resampler(rate_hz, len(samples))
            elif resampler.rate_hz != rate_hz:
                yield from resampler.flush()
                resampler = _Resampler(rate_hz, resampler.channels)
            silence_s = timeline.silence_before(frame.time, self._position_s)
            for block in _silence(round(silence_s * rate_hz), rate_hz, resampler.channels):
                yield from resampler.push(block)
            yield from resampler.push(_as_many(samples, resampler.channels))
            self._advance(silence_s + samples.shape[1] / rate_hz)
        if resampler is not None:
            yield from resampler.flush()

    def _advance(self, seconds: float) -> None:
        self._position_s += seconds
        if self._position_s > self._most_s:
            raise MediaError(
                "DECODE_FAILED",
                f"The file has {self.size_bytes} bytes and unpacks to more than {clock(self._most_s)} of sound, more "
                "than any recording does. It is probably damaged; convert it, for example to FLAC, and send it again.",
            )

    @property
    def tracks(self) -> tuple[int, ...]:
        """The numbers of all tracks of sound, the best one first."""
        best = _best_of(self._container).index
        return (best, *(stream.index for stream in self._container.streams.audio if stream.index != best))

    @property
    def unread_tracks(self) -> str:
        """In plain words, that there are other tracks; empty if there are none."""
        numbers = sorted(self.tracks)
        if len(numbers) == 1:
            return ""
        number = numbers.index(self._stream.index) + 1
        return f"The file has {len(numbers)} sound tracks, of which only number {number} was transcribed."

    @property
    def states_duration(self) -> bool:
        """Whether the container says how long it is, and FFmpeg does not guess."""
        return self._container.format.name in _EXACT_DURATION

    def packets_ms(self) -> int:
        """How long the sound is by its packets, none of which is decoded. The stream is used up then."""
        base = self._stream.time_base
        return int(1000 * sum((packet.duration or 0) * base for packet in self._packets())) if base else 0

    @property
    def position_ms(self) -> int:
        """How much of the sound was decoded."""
        return int(1000 * self._position_s)

    @property
    def warning(self) -> str:
        """What could not be heard, in plain words, once all was read; empty if all was."""
        if damage := self.damage:
            return damage
        missing_bytes = self._file.declared_bytes - self.size_bytes
        if missing_bytes > 0:
            return f"The file is shorter than its header says, by {missing_bytes} bytes. It may have been cut short."
        if self._declared_s - self._position_s > 1 + 0.01 * self._declared_s:
            return (
                f"The file says that it lasts {clock(self._declared_s)}, but it ends at {clock(self._position_s)}. "
                "It may have been cut short."
            )
        return ""

    @property
    def damage(self) -> str:
        """What could not be decoded of what was read, in plain words; empty if all was."""
        if self._lost_at_s is None:
            return ""
        at = clock(self._lost_at_s)
        if not self._heard_after_loss:
            return f"The file is damaged: it could not be decoded after {at}. What was heard before is kept."
        return f"The file is damaged: parts of it could not be decoded, the first at {at}. The rest is kept."

    @property
    def was_guessed(self) -> bool:
        """Whether nothing but its bits suggests that the file is in the format that it was taken for."""
        return self._container.format.name in GUESSED_DEMUXERS

    @property
    def promised_sound(self) -> bool:
        """Whether there is sound in the file, decodable or not, by its own word or by what was found in it."""
        return self._declared_s > 0 or self._found_packet or self._lost_at_s is not None

    def _frames(self) -> Iterator[Any]:
        """All frames that can be decoded; a packet that can't is noted and skipped."""
        for packet in self._packets():
            try:
                frames = packet.decode()
            except MemoryError:  # FFmpeg's own is one, too
                raise
            except (av.error.FFmpegError, OSError):
                self._note_loss()
                continue
            for frame in frames:
                if frame.samples > 0:
                    _refuse_odd_rate(frame.sample_rate)
                    self._heard_after_loss = self._lost_at_s is not None
                    yield frame

    def _packets(self) -> Iterator[Any]:
        """All packets that can be found. Some demuxers find the next one after an error, some never will."""
        failures = 0
        while failures < _MOST_READ_FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    self._found_packet = self._found_packet or packet.size > 0
                    yield packet
            except MemoryError:
                raise
            except IndexError:  # PyAV's, for a packet of a stream that showed up only now: not the one that is read
                continue
            except (av.error.FFmpegError, OSError):
                self._note_loss()
                failures += 1
            else:
                return

    def _note_loss(self) -> None:
        self._file.raise_failure()
        if self._lost_at_s is None:
            self._lost_at_s = self._position_s


class _Packing:
    """Turns frames of many planes into packed ones, which is the only safe way to read them."""

    def __init__(self) -> None:
        self._shape: tuple[str, str, int] | None = None
        self._converter: Any = None

    def packed(self, frame: Any) -> Any:
        """The same sound, packed if there are more than `MOST_PLANES` planes of it."""
        if not frame.format.is_planar or frame.layout.nb_channels <= MOST_PLANES:
            return frame
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self._shape = shape
            self._converter = av.AudioResampler(
                format=frame.format.packed.name, layout=frame.layout, rate=frame.sample_rate
            )
        (converted,) = self._converter.resample(frame)
        return converted


class _Resampler:
    """Sound (channels, n) of one rate, in any portions, as blocks of int16 at 16 kHz. Each channel has its own."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        self._resamplers = [
            av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ) for _ in range(channels)
        ]
        self._gathered: list[npt.NDArray[np.float32]] = []
        self._gathered_samples = 0

    def push(self, samples: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.int16]]:
        # Frames are as short as 1 ms in some formats; the resampler wants some hundred of them at once.
        self._gathered.append(samples)
        self._gathered_samples += samples.shape[1]
        if self._gathered_samples >= self.rate_hz:
            yield from self._convert()

    def flush(self) -> Iterator[npt.NDArray[np.int16]]:
        if self._gathered:
            yield from self._convert()
        yield from _stacked([resampler.resample(None) for resampler in self._resamplers])

    def _convert(self) -> Iterator[npt.NDArray[np.int16]]:
        samples = np.concatenate(self._gathered, axis=1)
        samples = np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
        self._gathered, self._gathered_samples = [], 0
        yield from _stacked([self._resample(*each) for each in zip(self._resamplers, samples, strict=True)])

    def _resample(self, resampler: Any, samples: npt.NDArray[np.float32]) -> Any:
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = self.rate_hz
        return resampler.resample(frame)


def _open_container(file: SourceFile, demuxer: str | None) -> Any:
    try:
        return av.open(
            file,
            mode="r",
            format=demuxer,
            container_options={
                **({"probesize": str(_WAV_PROBE_BYTES)} if file.is_wav else {}),
                "format_whitelist": ",".join(ALLOWED_DEMUXERS),
                "protocol_whitelist": "none",
                "codec_whitelist": _sound_decoders(),
            },
            metadata_errors="ignore",
            buffer_size=_READ_BYTES,
            io_open=_refuse_other_files,
        )
    except MemoryError:
        raise
    except (av.error.FFmpegError, OSError) as error:
        file.raise_failure()
        if file.head[4:8] == b"ftyp":
            raise MediaError(
                "DECODE_FAILED",
                "The MP4 file is incomplete: its index is missing, as when an upload or a recording was cut off. "
                "Send the whole file.",
            ) from error
        raise MediaError(
            "UNSUPPORTED_FORMAT",
            "The file is not audio or video in a format known here. Send a media file such as WAV, MP3, M4A, MP4, "
            "FLAC, OGG or WebM; playlists are not followed.",
        ) from error


def _sound_of(container: Any, track: int | None) -> Any:
    """The best stream of sound, or that one; packets of all others are thrown away as early as can be."""
    if not container.streams.audio:
        kinds = sorted({stream.type for stream in container.streams})
        raise MediaError(
            "NO_AUDIO",
            f"The file has no audio stream{' (only ' + ', '.join(kinds) + ')' if kinds else ''}. "
            "Send a file with sound.",
        )
    stream = _best_of(container) if track is None else container.streams[track]
    if stream.codec_context is None:
        raise MediaError(
            "UNSUPPORTED_FORMAT",
            "The sound of the file is coded in a way that can't be decoded here. Convert it, for example to FLAC.",
        )
    stream.codec_context.thread_count = 1
    for other in container.streams:
        if other.index != stream.index:
            other.discard = av.stream.Discard.all
    return stream


def _best_of(container: Any) -> Any:
    return container.streams.best("audio") or container.streams.audio[0]


def _info(container: Any, stream: Any, size_bytes: int) -> MediaInfo:
    context = stream.codec_context
    duration_ms = max(0, (container.duration or 0) // 1000)
    believable = duration_ms <= 1000 * size_bytes / _LEAST_SPEECH_BYTES_PER_SECOND
    return MediaInfo(
        container=container.format.name,
        codec=context.name,
        sample_rate_hz=context.sample_rate or 0,
        channels=context.channels or 0,
        duration_ms=duration_ms if believable else 0,
    )


def _declared_s(container: Any, stream: Any) -> float:
    """How long the sound is by its container, where that says it exactly; otherwise 0."""
    if container.format.name not in _EXACT_DURATION:
        return 0.0
    if stream.duration and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # The length of the whole file is that of its sound only if there is nothing else in it.
    return (container.duration or 0) / 1_000_000 if len(container.streams) == 1 else 0.0


@functools.cache
def _sound_decoders() -> str:
    """The names of all decoders of sound: those of video and subtitles never see the file."""
    names = set()
    for name in av.codecs_available:
        try:
            codec = av.Codec(name, "r")
        except ValueError:
            continue  # an encoder only
        if codec.type == "audio":
            names.add(codec.name)
    return ",".join(sorted(names))


def _silence(samples: int, at_most: int, channels: int) -> Iterator[npt.NDArray[np.float32]]:
    while samples > 0:
        yield np.zeros((channels, min(samples, at_most)), dtype=np.float32)
        samples -= at_most


def _refuse_too_many(channels: int) -> None:
    if channels > MAX_SEPARATE_CHANNELS:
        raise MediaError(
            "UNSUPPORTED_FORMAT",
            f"The file has {channels} channels; at most {MAX_SEPARATE_CHANNELS} are heard apart. "
            "Leave channel separation out, or split the file.",
        )


def _as_many(samples: npt.NDArray[np.float32], channels: int) -> npt.NDArray[np.float32]:
    """Sound (n channels, samples) with silent channels added up to `channels`."""
    if len(samples) > channels:
        raise MediaError(
            "UNSUPPORTED_FORMAT",
            f"The file begins with {channels} channels and goes on with {len(samples)}, which can't be heard apart. "
            "Leave channel separation out.",
        )
    if len(samples) == channels:
        return samples  # nearly always: padding each frame would take longer than decoding it
    return np.pad(samples, ((0, channels - len(samples)), (0, 0)))


def _stacked(frames_of_channels: list[Any]) -> Iterator[npt.NDArray[np.int16]]:
    """Resampled frames of each channel, which are alike in number and length, as arrays (channels, n)."""
    for frames in zip(*frames_of_channels, strict=True):
        if frames[0].samples:
            yield np.stack([np.frombuffer(frame.planes[0], dtype=np.int16, count=frame.samples) for frame in frames])


def _refuse_other_files(url: str, flags: int, options: object) -> NoReturn:
    raise PermissionError("a media file may not open another one")


def _refuse_odd_rate(rate_hz: int) -> None:
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise MediaError(
            "UNSUPPORTED_FORMAT",
            f"The file declares {rate_hz} samples of sound per second, which is no rate of speech. "
            "It is probably damaged; convert it, for example to FLAC, and send it again.",
        )
