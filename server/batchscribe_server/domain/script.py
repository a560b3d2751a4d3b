"""What the writing systems ask of whoever joins, breaks or edits text: where words are spaced, where sentences end."""

from __future__ import annotations

from batchscribe_server.domain.marks import CLAUSE_ENDS, CLOSING, SENTENCE_ENDS

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


def breakable_parts(token: str) -> list[str]:
    """A token without spaces, cut where its script allows a line to end: between ideographs, never before a mark."""
    parts: list[str] = []
    for char in token:
        joins = not parts or char in SENTENCE_ENDS or char in CLAUSE_ENDS or char in CLOSING
        if joins or not (_ideographic(char) or _ideographic(parts[-1][-1])):
            parts[-1:] = [(parts[-1] if parts else "") + char]
        else:
            parts.append(char)
    return parts


def _last_mark(text: str) -> str:
    return text.rstrip(_CLOSING)[-1:]


def _unspaced(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _UNSPACED_RANGES)


def _ideographic(char: str) -> bool:
    return ord(char) >= _FIRST_IDEOGRAPHIC and _unspaced(char)
