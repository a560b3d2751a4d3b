"""Many spoken files for the tests that kill things: few utterances, many copies, and what each must be heard as."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.speech import spoken

UTTERANCES = (
    "The first train leaves the station early in the morning.",
    "The old man reads his newspaper in the kitchen.",
    "We walked along the river until the sun went down.",
    "The children are playing football in the garden.",
    "Please close the window before you leave the room.",
)


def make_files(folder: Path, count: int) -> dict[str, str]:
    """`count` WAV files in `folder`; returns what is said in each, by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {}
    for k in range(count):
        text = UTTERANCES[k % len(UTTERANCES)]
        name = f"{k:03}.wav"
        shutil.copy(spoken(text), folder / name)
        said[name] = text
    return said


def words(text: str) -> list[str]:
    """The words alone, for comparing what is heard with what was said."""
    return re.findall(r"[a-z']+", text.lower())
