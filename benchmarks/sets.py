"""The sets of files that are measured, made of a few recordings."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from faster_whisper import decode_audio

from benchmarks.recordings import Recording, duration_s
from tests.speech import RATE_HZ, silence, write_wav

if TYPE_CHECKING:
    from tests.speech import Samples

MAX_SHORT_S = 12.0
PAUSES_S = (0.5, 1.5)
SEED = 20_261_122


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large sets are made; `long_minutes` is the least length of each long file."""

    short_files: int = 60
    long_files: int = 1
    long_minutes: float = 10.0


@dataclass(frozen=True, slots=True)
class RecordingSet:
    """Files to be transcribed together. `warm_up` is a short recording to begin with, which is not measured."""

    name: str
    recordings: tuple[Recording, ...]
    warm_up: Path

    @property
    def audio_s(self) -> float:
        """The length of all files together."""
        return sum(recording.duration_s for recording in self.recordings)


def build_set(name: str, recordings: Sequence[Recording], sizes: Sizes, folder: Path) -> RecordingSet:
    """The set of that name, one of `SETS`; its files are made in `folder`, which no other set may use."""
    return RecordingSet(name, tuple(SETS[name](recordings, sizes, folder)), short_recordings(recordings)[0].path)


def short_recordings(recordings: Sequence[Recording]) -> list[Recording]:
    """Those of at most 12 s. Raises ValueError if there are none."""
    short = [recording for recording in recordings if recording.duration_s <= MAX_SHORT_S]
    if not short:
        raise ValueError(f"no recording is shorter than {MAX_SHORT_S:g} s")
    return short


def repeated(recordings: Sequence[Recording], count: int, folder: Path) -> list[Recording]:
    """`count` short files in `folder`: the short recordings in turn, each time under another name."""
    folder.mkdir(parents=True)
    short = short_recordings(recordings)
    files = []
    for number in range(count):
        recording = short[number % len(short)]
        path = folder / f"{number:05}-{recording.path.name}"
        _link(recording.path, path)
        files.append(Recording(path, recording.text, recording.duration_s))
    return files


def joined(recordings: Sequence[Recording], minutes: float, destination: Path, *, seed: int = SEED) -> Recording:
    """One recording of at least `minutes`: the short ones in changing order, with pauses of 0.5 to 1.5 s between.

    The same arguments give the same file, written as a stream: an hour of it takes no memory.
    """
    choice = random.Random(seed)
    sound = {
        recording.path: np.asarray(decode_audio(str(recording.path)) * 32767, dtype=np.int16)
        for recording in short_recordings(recordings)
    }
    texts: list[str] = []

    def blocks() -> Iterator[Samples]:
        samples = 0
        while samples < minutes * 60 * RATE_HZ:
            for recording in choice.sample(short_recordings(recordings), len(sound)):
                texts.append(recording.text)
                for block in (sound[recording.path], silence(choice.uniform(*PAUSES_S))):
                    samples += block.size
                    yield block
                if samples >= minutes * 60 * RATE_HZ:
                    return

    destination.parent.mkdir(parents=True, exist_ok=True)
    write_wav(destination, blocks())
    return Recording(destination, " ".join(texts), duration_s(destination))


def _short(recordings: Sequence[Recording], sizes: Sizes, folder: Path) -> list[Recording]:
    return repeated(recordings, sizes.short_files, folder / "short")


def _long(recordings: Sequence[Recording], sizes: Sizes, folder: Path) -> list[Recording]:
    return [
        joined(recordings, sizes.long_minutes, folder / "long" / f"{number:03}.wav", seed=SEED + number)
        for number in range(sizes.long_files)
    ]


def _mix(recordings: Sequence[Recording], sizes: Sizes, folder: Path) -> list[Recording]:
    between = [recording for recording in recordings if recording.duration_s > MAX_SHORT_S]
    return [*_short(recordings, sizes, folder), *_long(recordings, sizes, folder), *between]


def _each(recordings: Sequence[Recording], sizes: Sizes, folder: Path) -> list[Recording]:
    return list(recordings)


SETS: Mapping[str, Callable[[Sequence[Recording], Sizes, Path], list[Recording]]] = {
    "short": _short,
    "long": _long,
    "mix": _mix,  # both, and the recordings that are neither, such as a phone call
    "each": _each,  # every recording as it is, once
}


def _link(source: Path, destination: Path) -> None:
    try:
        os.link(source, destination)
    except OSError:  # another file system
        shutil.copyfile(source, destination)
