"""What a folder tells of the model in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscribe_server.models.folder import NotAModelFolderError, read_folder, vocabulary_languages
from tests.whisper_folder import vocabulary, write_whisper_folder


@pytest.mark.parametrize(("multilingual", "languages"), [(True, ("de", "en", "zh")), (False, ("en",))])
def test_a_folder_tells_its_size_and_languages(tmp_path: Path, multilingual: bool, languages: tuple[str, ...]) -> None:
    folder = read_folder(write_whisper_folder(tmp_path / "model", multilingual=multilingual))
    assert folder.languages == languages
    assert folder.size_bytes == sum(file.stat().st_size for file in (tmp_path / "model").iterdir())


def test_vocabularies_are_read_as_text_too(tmp_path: Path) -> None:
    tokens = vocabulary(multilingual=True)
    tokens[17] = "\u2028\x85"  # a token that ends a line elsewhere
    path = tmp_path / "vocabulary.txt"
    path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    assert vocabulary_languages(path) == ("de", "en", "zh")


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_a_folder_without_one_of_its_files_is_refused_by_that_files_name(tmp_path: Path, missing: str) -> None:
    folder = write_whisper_folder(tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(NotAModelFolderError, match=missing):
        read_folder(folder)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAModelFolderError, match="no folder"):
        read_folder(tmp_path / "missing")


@pytest.mark.parametrize("content", ['["a", "b"]', "{}", "nonsense"])
def test_a_vocabulary_that_is_not_whispers_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(content)
    with pytest.raises(NotAModelFolderError):
        vocabulary_languages(path)
