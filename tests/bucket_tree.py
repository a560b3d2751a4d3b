"""A tree of spoken files as users' buckets have them: names of all kinds, formats of all kinds, and some bad ones."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.many_files import UTTERANCES
from tests.media_files import ENCODINGS, encoded, renamed_text, truncated, video_without_sound
from tests.speech import spoken

GOOD_FILES = 55

ODD_NAMES = (
    "with spaces/Gespräch mit Müller.wav",
    "東京/会議 3.wav",
    "#1?.wav",
    "100%2F50%.wav",
    "a+b&c=d;e,f'g(h)!.wav",
    "UPPER.WAV",
    "two..dots/a..wav",
    "no-suffix",
    "/".join(["long-" * 44] * 4) + ".wav",  # some 890 bytes
)

_FORMATS = ("wav", "mp3", "flac", "m4a", "ogg-opus", "webm", "mp4", "wav-mulaw")

REASONS = {
    "bad/empty.wav": "MEDIA_TOO_SMALL",
    "bad/text.wav": "UNSUPPORTED_FORMAT",
    "bad/noise.mp3": "UNSUPPORTED_FORMAT",
    "bad/no-sound.mp4": "NO_AUDIO",
    "bad/truncated.mp4": "DECODE_FAILED",
}
"""The bad files, and the reason that each fails with."""

LEFT_OUT = ("notes.txt", "images/logo.png", ".trash/old.wav", "folder/")
"""What is no audio by its name, hidden, or an empty object that stands for a folder."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Objects by their keys, and what is said in each of the good ones."""

    objects: dict[str, bytes]
    said: dict[str, str]


def tree(good_files: int = GOOD_FILES) -> Tree:
    """The tree: so many spoken files, at least those of `ODD_NAMES`, those of `REASONS` and those of `LEFT_OUT`."""
    with tempfile.TemporaryDirectory() as folder:
        return _tree(Path(folder), good_files)


def _tree(folder: Path, good_files: int) -> Tree:
    objects: dict[str, bytes] = dict.fromkeys(LEFT_OUT, b"")
    said = {}
    made: dict[tuple[str, str], bytes] = {}
    names = [*ODD_NAMES, *(f"calls/{number:03}" for number in range(good_files - len(ODD_NAMES)))]
    for number, name in enumerate(names):
        text = UTTERANCES[number % len(UTTERANCES)]
        kind = "wav" if number < len(ODD_NAMES) else _FORMATS[number % len(_FORMATS)]
        if (text, kind) not in made:
            made[text, kind] = encoded(spoken(text), folder, ENCODINGS[kind]).read_bytes()
        key = name if number < len(ODD_NAMES) else name + ENCODINGS[kind].suffix
        objects[key], said[key] = made[text, kind], text
    speech = encoded(spoken(UTTERANCES[0]), folder, ENCODINGS["mp4"])
    objects |= {
        "bad/empty.wav": b"",
        "bad/text.wav": renamed_text(folder).read_bytes(),
        "bad/noise.mp3": bytes(range(256)) * 40,
        "bad/no-sound.mp4": video_without_sound(folder).read_bytes(),
        "bad/truncated.mp4": truncated(speech, folder, 0.5).read_bytes(),
    }
    return Tree(objects, said)
