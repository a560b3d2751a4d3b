"""Folders that look like CTranslate2 Whisper models, for tests that load none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def vocabulary(*, multilingual: bool, languages: Sequence[str] = ("en", "zh", "de")) -> list[str]:
    """A vocabulary in Whisper's order: text tokens, then the special ones."""
    text = [f"token{number}" for number in range(50_257 if multilingual else 50_256)]
    special = ["endoftext", "startoftranscript", *languages, "translate", "transcribe", "notimestamps"]
    return [*text, *(f"<|{name}|>" for name in special)]


def write_whisper_folder(folder: Path, *, multilingual: bool = True, weights: bytes = b"weights") -> Path:
    """Write all files of a model to `folder`, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary(multilingual=multilingual)))
    (folder / "model.bin").write_bytes(weights)
    return folder
