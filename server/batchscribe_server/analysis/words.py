"""The words of a text that tell what it is about."""

# ruff: noqa: RUF001 - the other apostrophe is meant
from __future__ import annotations

import re
from functools import cache

import stopwordsiso

from batchscribe_server.domain.editing import ADDRESS_MASK, MASKED_DIGITS
from batchscribe_server.domain.script import UNSPACED_LANGUAGES

FEWEST_CHARS = 3
"""Shorter words tell little, and what a masked word has left is as short."""

Runs = list[list[str]]
"""The words of a sentence that tell something, in runs that nothing else divides."""

_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*\w)?")
_ADDRESS = re.compile(r"\S*[@/]\S*|\S*\w\.\w\S*")

_FILLERS = frozenset({"uh", "um", "uhm", "erm", "hmm", "mhm", "yeah", "yep", "nope", "okay"})


@cache
def stop_words(language: str) -> frozenset[str]:
    """The words of a language that tell nothing by themselves; none of a language that there is no list for."""
    if not stopwordsiso.has_lang(language):
        return frozenset()
    return frozenset(word.lower() for word in stopwordsiso.stopwords(language)) | _FILLERS


def knows_stop_words(language: str) -> bool:
    """Whether words that tell something can be told from those that don't."""
    return language not in UNSPACED_LANGUAGES and stopwordsiso.has_lang(language)


def content_runs(sentence: str, language: str) -> Runs:
    """The words that tell something, as they are written, in runs: a stop word, a figure or a mark divides two.

    Parts of addresses are no words.
    """
    stops = stop_words(language)
    runs: Runs = [[]]
    end = 0
    sentence = _ADDRESS.sub(".", sentence)
    for match in _WORD.finditer(sentence):
        word = match.group()
        if sentence[end : match.start()].strip():
            runs.append([])
        end = match.end()
        if _tells_something(word, stops):
            runs[-1].append(word)
        else:
            runs.append([])
    return [run for run in runs if run]


def terms(sentence: str, language: str) -> list[str]:
    """What sentences are compared by: words that tell something in lower case, pairs of letters without spaces."""
    if language in UNSPACED_LANGUAGES:
        letters = "".join(filter(str.isalnum, sentence))
        return [letters[index : index + 2] for index in range(len(letters) - 1)]
    return [word.lower() for run in content_runs(sentence, language) for word in run]


def _tells_something(word: str, stops: frozenset[str]) -> bool:
    plain = word.lower().replace("’", "'")
    is_stop_word = plain in stops or plain.replace("'", "") in stops
    return len(word) >= FEWEST_CHARS and not is_stop_word and not _is_hidden(word)


def _is_hidden(word: str) -> bool:
    """Whether nothing of it is left but masks: "XXX", "X-X"."""
    return word == ADDRESS_MASK or not any(map(str.isalnum, MASKED_DIGITS.sub("", word)))
