"""A CTranslate2 Whisper folder: whether it is one, how large, and which languages it knows."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = "model.bin"

# Without its tokenizer the inference library would go and fetch one.
_NEEDED = (WEIGHTS, "config.json", "tokenizer.json")

_VOCABULARIES = ("vocabulary.txt", "vocabulary.json")

# Multilingual vocabularies have one text token more before the first special one.
_FIRST_SPECIAL_MULTILINGUAL = 50_257


class NotAModelFolderError(Exception):
    """The folder can't be used as a Whisper model; the message says in plain words what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that holds all files of a model."""

    path: Path
    size_bytes: int
    languages: tuple[str, ...]


def read_folder(path: Path) -> ModelFolder:
    """Look at a folder without loading the model. Raises NotAModelFolderError."""
    if not path.is_dir():
        raise NotAModelFolderError(f"there is no folder {path}")
    missing = [name for name in _NEEDED if not (path / name).is_file()]
    vocabulary = next((path / name for name in _VOCABULARIES if (path / name).is_file()), None)
    if vocabulary is None:
        missing.append(" or ".join(_VOCABULARIES))
    if vocabulary is None or missing:
        raise NotAModelFolderError(
            f"{path} is not a Whisper model in CTranslate2 form: it has no {', no '.join(missing)}"
        )
    size_bytes = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return ModelFolder(path, size_bytes, vocabulary_languages(vocabulary))


def vocabulary_languages(vocabulary: Path) -> tuple[str, ...]:
    """The languages that a vocabulary has tokens for, in alphabetical order.

    English-only models carry the language tokens too, but know nothing of them: where the special tokens begin tells.
    Raises NotAModelFolderError for a vocabulary that is not Whisper's.
    """
    return _languages(vocabulary, vocabulary.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _languages(vocabulary: Path, _written_ns: int) -> tuple[str, ...]:
    tokens = _tokens(vocabulary)
    try:
        end_of_text = tokens.index("<|endoftext|>")
        first = tokens.index("<|startoftranscript|>") + 1
        last = tokens.index("<|translate|>", first)
    except ValueError:
        raise NotAModelFolderError(f"{vocabulary} is not the vocabulary of a Whisper model") from None
    if end_of_text < _FIRST_SPECIAL_MULTILINGUAL:
        return ("en",)
    return tuple(sorted(token.removeprefix("<|").removesuffix("|>") for token in tokens[first:last]))


def _tokens(vocabulary: Path) -> list[str]:
    text = vocabulary.read_text(encoding="utf-8")
    if vocabulary.suffix != ".json":
        # Tokens hold characters that other ways of splitting take for line ends.
        return text.split("\n")
    try:
        tokens = json.loads(text)
    except ValueError:
        tokens = None
    if not isinstance(tokens, list):
        raise NotAModelFolderError(f"{vocabulary} is not a list of tokens")
    return tokens
