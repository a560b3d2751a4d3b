"""Leaves out what is said while thinking: "um", words begun twice, words broken off.

Of repeated words only those go that nobody doubles on purpose: "the the" does, "very very" and "no no" do not, and
numbers and spelt letters never do. What answers ("uh-huh", "mm-hmm") stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from batchscribe_server.domain.marks import SENTENCE_ENDS
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.text.removal import Span, without
from batchscribe_server.text.tokens import Token, hyphenated_words_in

_FILLERS: Mapping[str, re.Pattern[str]] = {
    language: re.compile(words)
    for language, words in {
        "da": "øh+m*|eh+m*|h+m+|mh+m+",
        "de": "ä+h+m*|ö+h+m*|eh+m+|h+m+|mh+m+",
        "en": "u+m+|u+h+m*|er|er+m+|ah+m+|h+m+|mh+m+|mm+",
        "es": "e+h+m*|e+m+|h+m+|mh+m+|mm+",
        "fr": "e+u+h+m*|heu+|h+m+|mh+m+|mm+",
        "it": "eh+m+|uh+m+|mh+m*|h+m+|mm+",
        "nl": "eh+m*|u+h+m*|h+m+|mh+m+",
        "no": "øh+m*|eh+m*|h+m+|mh+m+",
        "pl": "yy+|ee+|ym+|h+m+|mm+",
        "pt": "hum+|h+m+|hã+|ahn+|eh+m*|mm+",
        "ru": "э+м*|х+м+|мм+",  # noqa: RUF001 - Cyrillic
        "sv": "öh+m*|eh+m*|äh+m*|h+m+|mh+m+",
    }.items()
}

# Scripts without spaces: what is searched for must be no part of another word.
_FILLERS_WITHIN: Mapping[str, re.Pattern[str]] = {
    "ja": re.compile("えーっ?と|えっと|ええと|あのー+|うーん+と?|んー+"),
    "zh": re.compile("呃+"),
}

# Not among them is what may end one clause and begin the next ("when I saw it it was red", "what it was was a dream",
# "wie es ist ist gut"), particles of verbs ("mach mit mit uns") and what has two senses ("se se puder").
_NEVER_DOUBLED: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "de": "ich wir und oder aber von wenn weil dass",
        "en": "a an and as at because but could from he he's his i i'm i've if it's its my or our she she's than the "
        "their they they're we we're we've when with would your",
        "es": "yo el los las y pero en con por mi su",
        "fr": "je j'ai tu il et mais le les des du à dans avec qui c'est ce",
        "it": "io il i e ma in con per mi",
        "nl": "ik wij de en maar van",
        "pt": "eu ele e mas do da em com por",
    }.items()
}

LANGUAGES = frozenset(_FILLERS) | frozenset(_FILLERS_WITHIN)
"""The languages in which fillers are known."""


def without_disfluencies(segment: Segment, language: str) -> Segment:
    """The segment without fillers, and in some languages without repeated function words and broken-off words."""
    words = hyphenated_words_in(segment.text)
    spans = sorted({*_fillers(segment.text, words, language), *_repetitions(segment.text, words, language)})
    return without(segment, spans, with_commas=True)


def _fillers(text: str, words: Sequence[Token], language: str) -> Iterator[Span]:
    if within := _FILLERS_WITHIN.get(language):
        yield from (found.span() for found in within.finditer(text))
    filler = _FILLERS.get(language)
    if filler is None:
        return
    before: Token | None = None
    for word in words:
        after_figures = before is not None and before.text.isdecimal()  # 5 mm
        abbreviates = len(word.text) > 1 and word.text.isupper() and not text.isupper()  # the ER
        if filler.fullmatch(word.key) and not after_figures and not abbreviates:
            yield word.begin, word.end
        before = word


def _repetitions(text: str, words: Sequence[Token], language: str) -> Iterator[Span]:
    """Each copy but the last, and what was broken off before the whole word came."""
    never_doubled = _NEVER_DOUBLED.get(language)
    if never_doubled is None:
        return
    filler = _FILLERS[language]
    for word, following in pairwise(word for word in words if not filler.fullmatch(word.key)):
        between = text[word.end : following.begin]
        if any(char in SENTENCE_ENDS for char in between):
            continue
        if word.key == following.key and word.key in never_doubled:
            if not (_is_letter(word) and _is_letter(following)):
                yield word.begin, word.end
        elif between in {"- ", "– ", "— "} and _is_begun(word, following):  # noqa: RUF001 - dashes
            yield word.begin, word.end + 1


def _is_letter(word: Token) -> bool:
    """Whether it is spelt, as in "A A A battery": a capital alone, but "I" is a word."""
    return len(word.text) == 1 and word.text.isupper() and word.text != "I"


def _is_begun(word: Token, whole: Token) -> bool:
    return len(word.text) < 5 and word.text.isalpha() and whole.key.startswith(word.key)
