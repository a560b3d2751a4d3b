"""What the writing systems ask of whoever joins, breaks or edits text: where words are spaced, where sentences end."""

from __future__ import annotations

import re
import unicodedata

from batchscribe_server.domain.marks import CLAUSE_ENDS, CLOSING, SENTENCE_ENDS

_BETWEEN_SPACES = re.compile(r"[^ \t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")

_CLOSING = "".join(sorted(CLOSING))

# Letters of scripts that are written without spaces between words.
_UNSPACED_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x30FF),  # CJK radicals and punctuation, hiragana, katakana
    (0x3400, 0x4DBF),  # CJK extension A
    (0x4E00, 0x9FFF),  # CJK
    (0xF900, 0xFAFF),  # CJK compatibility
    (0xFF00, 0xFF9F),  # full width forms, half width katakana
    (0x20000, 0x3FFFF),  # CJK extensions
)

# Of these, what may stand alone on a line: in the others only a dictionary tells where a word ends.
_FIRST_IDEOGRAPHIC = 0x2E80

# Tibetan parts syllables by a sign of its own, and sentences by spaces.
_FIRST_TIBETAN, _LAST_TIBETAN = 0x0F00, 0x0FFF

UNSPACED_LANGUAGES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages that are written without spaces between words: only a dictionary tells their words apart."""

# Of these, whose text Whisper parts only at spaces, so that a "word" is all that stands between two.
_PARTED_AT_SPACES = frozenset({"km", "bo"})

_RIGHT_TO_LEFT_LANGUAGES = frozenset({"ar", "fa", "he", "ps", "sd", "ur", "yi"})


def word_delimiter(language: str) -> str:
    """What stands between the words of a language, as Whisper parts them: a space or nothing."""
    return "" if language in UNSPACED_LANGUAGES - _PARTED_AT_SPACES else " "


def writing_direction(language: str) -> str:
    """`left-to-right` or `right-to-left`."""
    return "right-to-left" if language in _RIGHT_TO_LEFT_LANGUAGES else "left-to-right"


def needs_space_between(left: str, right: str) -> bool:
    """Whether two pieces of text, neither empty, are joined with a space."""
    return not (_unspaced(left[-1]) and _unspaced(right[0]))


def words_meet_between(left: str, right: str) -> bool:
    """Whether two pieces of text with nothing between them, neither empty, are words of their own."""
    return _unspaced(left[-1]) or _unspaced(right[0])


def sentence_ends(text: str) -> bool:
    """Whether the text ends with a full stop or its like, maybe inside quotes."""
    return _last_mark(text) in SENTENCE_ENDS


def clause_ends(text: str) -> bool:
    """Whether the text ends with a comma or its like."""
    return _last_mark(text) in CLAUSE_ENDS


def tokens_of(text: str) -> list[str]:
    """The text parted at its plain spaces; no-break and ideographic ones stay, and so do those before a mark."""
    tokens: list[str] = []
    for token in _BETWEEN_SPACES.findall(text):
        if tokens and is_mark(token[0]):
            tokens[-1] += f" {token}"
        else:
            tokens.append(token)
    return tokens


def _marks() -> str:
    found = [code for code in range(0x300, 0x20000) if is_mark(chr(code))]
    firsts = [code for before, code in zip([0, *found], found, strict=False) if code != before + 1]
    lasts = [code for code, after in zip(found, [*found[1:], 0], strict=True) if after != code + 1]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(firsts, lasts, strict=True))


def is_mark(char: str) -> bool:
    """Whether a character is written on the one before it."""
    return unicodedata.category(char).startswith("M")


def is_unspaced(text: str) -> bool:
    """Whether some of the text is of a script without spaces between words, so that lines end within it."""
    return any(_unspaced(char) or _FIRST_TIBETAN <= ord(char) <= _LAST_TIBETAN for char in text)


def needs_dictionary(char: str) -> bool:
    """Whether only a dictionary tells where words of the script end, as for Thai."""
    return _unspaced(char) and ord(char) < _FIRST_IDEOGRAPHIC


def _last_mark(text: str) -> str:
    return text.rstrip(_CLOSING)[-1:]


def _unspaced(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _UNSPACED_RANGES)


GOES_ON = "\u200c\u200d" + _marks()
"""What continues a word without being a letter, as a class of an expression: marks of vowels and tones, and joiners."""
