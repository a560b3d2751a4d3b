"""Conversations made of recordings of single voices, so that who says what is known to the millisecond.

    python -m benchmarks.conversations --speech FOLDER --to FOLDER [--count 40]

FOLDER is one as `benchmarks.recordings` reads it; a recording's voice is its name up to the last "-", and its channel.
Two voices take turns: half of them whole recordings, half phrases of half a second to eight cut out where it is quiet,
mostly within a sentence, as where people interrupt each other; with pauses of up to a second or some overlap between
them. Every other conversation sounds as over a telephone. What is written, NAME.wav, NAME.rttm and NAME.stm, is what
`benchmarks.diarization` measures. The same arguments give the same files.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from faster_whisper import decode_audio

from tests.speech import RATE_HZ, write_wav

if TYPE_CHECKING:
    import numpy.typing as npt

    Sound = npt.NDArray[np.float32]

SEED = 20_261_126
LENGTH_S = 60.0
WHOLE_SHARE = 0.5
TURNS_S = (0.5, 8.0)
MEAN_TURN_S = 3.0
PAUSE_MEAN_S, PAUSE_SPREAD_S = 0.2, 0.25
PAUSES_S = (-0.3, 1.0)
TELEPHONE_HZ = (300.0, 3_400.0)
LOUDNESS = 0.05

_FRAME = RATE_HZ // 100
_LONGEST_S = 30.0
_SEARCH_S = 0.35


@dataclass(frozen=True, slots=True)
class Turn:
    """Who speaks when, in seconds."""

    start_s: float
    end_s: float
    voice: str


def main() -> None:
    """Write the conversations."""
    arguments = _arguments()
    voices = read_voices(arguments.speech)
    pairs = list(itertools.combinations(sorted(voices), 2))
    if not pairs:
        raise SystemExit("The folder has recordings of one voice only.")
    arguments.to.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.count):
        choice = random.Random(f"{SEED}-{number}")
        sound, turns = conversation(voices, pairs[number % len(pairs)], choice)
        write(arguments.to / f"conversation-{number:03}", over_telephone(sound) if number % 2 else sound, turns)


def read_voices(folder: Path) -> Mapping[str, Sequence[Sound]]:
    """The recordings of each voice, equally loud."""
    voices: defaultdict[str, list[Sound]] = defaultdict(list)
    with (folder / "references.tsv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            path = folder / row["file"]
            if path.with_suffix(".rttm").exists():
                continue  # there are several voices in it
            name = path.stem.rpartition("-")[0] or path.stem
            if row["channel"] == "mono":
                sound = decode_audio(str(path))
            else:
                sound = decode_audio(str(path), split_stereo=True)[row["channel"] == "right"]
                name = f"{name}-{row['channel']}"
            voices[name].append(_as_loud(np.asarray(sound, dtype=np.float32)))
    return voices


def conversation(
    voices: Mapping[str, Sequence[Sound]], pair: tuple[str, str], choice: random.Random
) -> tuple[Sound, list[Turn]]:
    """At least `LENGTH_S` of two voices in turn."""
    stock = {voice: _Phrases(voices[voice], choice) for voice in pair}
    mixed = np.zeros(int((LENGTH_S + _LONGEST_S) * RATE_HZ), np.float32)
    turns: list[Turn] = []
    end_s = 0.0
    for voice in itertools.cycle(choice.sample(pair, 2)):
        phrase = stock[voice].next()
        pause_s = min(max(choice.gauss(PAUSE_MEAN_S, PAUSE_SPREAD_S), PAUSES_S[0]), PAUSES_S[1])
        start = int(max(0.0, end_s + pause_s) * RATE_HZ)
        mixed[start : start + phrase.size] += phrase
        turns.append(Turn(start / RATE_HZ, (start + phrase.size) / RATE_HZ, voice))
        end_s = turns[-1].end_s
        if end_s > LENGTH_S:
            break
    return mixed[: int(end_s * RATE_HZ)], turns


class _Phrases:
    """The recordings of a voice, again and again in changing order, cut into phrases at quiet places."""

    def __init__(self, recordings: Sequence[Sound], choice: random.Random) -> None:
        self._recordings = recordings
        self._choice = choice
        self._left = np.zeros(0, np.float32)

    def next(self) -> Sound:
        """The next phrase, or a whole recording, without the silence around it."""
        if self._choice.random() < WHOLE_SHARE:
            return _trimmed(self._choice.choice(self._recordings))
        shortest, longest = TURNS_S
        while self._left.size < shortest * RATE_HZ:
            self._left = _trimmed(self._choice.choice(self._recordings))
        length_s = min(
            longest - _SEARCH_S,
            shortest + _SEARCH_S + self._choice.expovariate(1 / (MEAN_TURN_S - shortest - _SEARCH_S)),
        )
        if self._left.size < (length_s + _SEARCH_S + shortest) * RATE_HZ:
            phrase, self._left = self._left[: int(longest * RATE_HZ)], self._left[:0]
        else:
            cut = _quietest(self._left, length_s)
            phrase, self._left = self._left[:cut], _trimmed(self._left[cut:])
        return _trimmed(phrase)


def _quietest(sound: Sound, near_s: float) -> int:
    """Where it is most quiet near that time."""
    first = int((near_s - _SEARCH_S) * RATE_HZ) // _FRAME
    last = int((near_s + _SEARCH_S) * RATE_HZ) // _FRAME
    return (first + int(np.argmin(np.convolve(_energy(sound)[first:last], np.ones(5), "same")))) * _FRAME


def _trimmed(sound: Sound) -> Sound:
    loud = np.flatnonzero(_energy(sound) > (LOUDNESS / 10) ** 2)
    return sound[loud[0] * _FRAME : (loud[-1] + 1) * _FRAME] if loud.size else sound[:0]


def _energy(sound: Sound) -> Sound:
    frames = sound[: sound.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    return np.asarray((frames**2).mean(axis=1))


def _as_loud(sound: Sound) -> Sound:
    return np.asarray(sound * (LOUDNESS / np.sqrt((sound**2).mean())), dtype=np.float32)


def over_telephone(sound: Sound) -> Sound:
    """The sound without what a telephone leaves out."""
    spectrum = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(sound.size, 1 / RATE_HZ)
    spectrum[(frequencies < TELEPHONE_HZ[0]) | (frequencies > TELEPHONE_HZ[1])] = 0
    return np.fft.irfft(spectrum, sound.size).astype(np.float32)


def write(path: Path, sound: Sound, turns: Sequence[Turn]) -> None:
    """The sound, and who speaks when as RTTM and as STM, which both leave the words out."""
    write_wav(path.with_suffix(".wav"), [(np.clip(sound, -1, 1) * 32767).astype(np.int16)])
    name = path.name
    rttm = [f"SPEAKER {name} 1 {t.start_s:.3f} {t.end_s - t.start_s:.3f} <NA> <NA> {t.voice} <NA> <NA>" for t in turns]
    stm = [f"{name} 1 {t.voice} {t.start_s:.3f} {t.end_s:.3f}" for t in turns]
    path.with_suffix(".rttm").write_text("\n".join(rttm) + "\n", encoding="utf-8")
    path.with_suffix(".stm").write_text("\n".join(stm) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversations", description=__doc__)
    parser.add_argument("--speech", type=Path, required=True, help="recordings of single voices")
    parser.add_argument("--to", type=Path, required=True, help="where the conversations are written")
    parser.add_argument("--count", type=int, default=40, help="how many")
    return parser.parse_args()


if __name__ == "__main__":
    main()
