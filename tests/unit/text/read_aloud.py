"""Reads formatted text aloud: an expression for all that it may sound like, as the words are compared.

It knows nothing of the formatter: numbers are spelled here anew. What counts as the same is what `compared` makes one.
"""

from __future__ import annotations

import re


def _listed(words: str) -> list[str]:
    return words.split()


_UNITS = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = ["", "", *_listed("twenty thirty forty fifty sixty seventy eighty ninety")]
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS |= {"twelve": "twelfth"}
_SIGNS = {"$": "dollar", "€": "euro", "£": "pound sterling"}

_UNITS_DE = _listed(
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
_TENS_DE = ["", "", *_listed("zwanzig dreissig vierzig fünfzig sechzig siebzig achtzig neunzig")]


def compared(text: str, language: str) -> str:
    """The words said, as they are compared: without case, punctuation, "and", and what makes no difference."""
    text = re.sub(r"\b([ap])\.m\b", r"\1m", text.casefold().replace("-", " "))
    words = [word.strip(".,!?;:") for word in text.split()]
    if language == "de":
        spoken = (re.sub("(?<=hundert|tausend)und", "", word).removesuffix("s") if word.endswith("eins") else
                  re.sub("(?<=hundert|tausend)und", "", word) for word in words if word != "und")  # fmt: skip
        return "".join(spoken)
    said = " ".join(word for word in words if word not in {"and", "the", ""})
    said = re.sub(r"\ba (hundred|thousand|million|billion)\b", r"one \1", said)
    said = re.sub(r"\b(oh?|nought|naught)\b(?! ?clock)", "zero", said.replace("o'clock", "o clock"))
    return re.sub(r"\b(dollar|euro|pound|cent)s\b", r"\1", said)


def sounds_like(written: str, said: str, language: str) -> bool:
    """Whether the written text, read aloud, is what was said."""
    read = _read_german if language == "de" else _read_english
    return re.fullmatch(read(written), compared(said, language)) is not None


def english(value: int) -> str:
    """A number in American words."""
    for scale, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if value >= scale:
            rest = f" {english(value % scale)}" if value % scale else ""
            return f"{english(value // scale)} {name}{rest}"
    if value < 20:
        return _UNITS[value]
    return _TENS[value // 10] + (f" {_UNITS[value % 10]}" if value % 10 else "")


def german(value: int) -> str:
    """A number below a million in German words, without spaces."""
    for scale, name in ((1000, "tausend"), (100, "hundert")):
        if value >= scale:
            return german(value // scale) + name + (german(value % scale) if value % scale else "")
    if value < 20:
        return _UNITS_DE[value]
    return (f"{_UNITS_DE[value % 10]}und" if value % 10 else "") + _TENS_DE[value // 10]


def _whole(figures: str) -> list[str]:
    """All ways to read a number without a point."""
    digits = figures.replace(",", "")
    value = int(digits)
    ways = []
    if digits == str(value):
        ways.append(english(value))
        if "," not in figures and value < 10_000 and value % 1000 and value >= 1100:
            hundreds, rest = divmod(value, 100)
            ways.append(f"{english(hundreds)} hundred" + (f" {english(rest)}" if rest else ""))
            if rest:
                ways.append(f"{english(hundreds)} " + (english(rest) if rest >= 10 else f"zero {english(rest)}"))
    if "," not in figures and len(digits) >= 3:
        ways.append(" ".join(_UNITS[int(digit)] for digit in digits))
    return ways


def _amount(figures: str) -> list[str]:
    whole, point, rest = figures.partition(".")
    ways = _whole(whole)
    return [f"{way} point " + " ".join(_UNITS[int(digit)] for digit in rest) for way in ways] if point else ways


def _nth(value: int) -> str:
    head, _, last = english(value).rpartition(" ")
    last = _ORDINALS.get(last, f"{last.removesuffix('y')}ieth" if last.endswith("y") else f"{last}th")
    return f"{head} {last}".strip()


_MONTHS = _listed("january february march april may june july august september october november december")


def _token(token: str, before: str, scale: str) -> str:
    """How a word of the written text is read, as an expression."""
    bare = token.strip(".,!?;:")
    sign = bare[:1] if bare[:1] in _SIGNS else ""
    if not any(char.isdigit() for char in bare):
        return "(?:a|one)" if bare == "a" else re.escape(compared(bare, "en"))
    ways: list[str] = []
    if sign:
        figures = bare[1:]
        ways = [f"{way}{scale} {_SIGNS[sign]}" for way in _amount(figures)]
        if re.fullmatch(r"[\d,]+\.\d\d", figures):
            whole, cents = figures.split(".")
            small = "pence" if sign == "£" else "cent"
            name = "pound( sterling)?" if sign == "£" else _SIGNS[sign]
            ways += [f"{way} {name} {english(int(cents))} {small}" for way in _whole(whole)]
    elif bare.endswith("%"):
        ways = [f"{way} per ?cent" for way in _amount(bare[:-1])]
    elif found := re.fullmatch(r"(\d+)(?:st|nd|rd|th)", bare):
        ways = [_nth(int(found[1]))]
    elif re.fullmatch(r"\d\d00s", bare):
        ways = [f"{english(int(bare[:2]))} hundreds"]
    elif re.fullmatch(r"\d{4}s", bare):
        ways = [f"{english(int(bare[:2]))} {_TENS[int(bare[2])].removesuffix('y')}ies"]
    elif re.fullmatch(r"\d+:\d\d", bare):
        hour, minute = bare.split(":")
        ways = [f"{english(int(hour))} " + (f"zero {english(int(minute))}" if minute[0] == "0" else "") +
                (english(int(minute)) if minute[0] != "0" else "")]  # fmt: skip
    elif re.fullmatch(r"[\d-]+", bare) and "-" in bare:
        digits = bare.replace("-", "")
        ways = [" ".join(_UNITS[int(digit)] for digit in digits)]
        ways += [way.replace(" zero zero ", " hundred ", 1) for way in ways]
    else:
        ways = _amount(bare)
        if before in _MONTHS and bare.isdecimal() and int(bare) <= 31:
            ways.append(_nth(int(bare)))
    return "(?:" + "|".join([*ways, re.escape(compared(bare, "en"))]) + ")"


def _read_english(written: str) -> str:
    tokens = re.sub("-(?=[a-z])", " ", written).split()
    parts: list[str] = []
    skip = False
    for number, token in enumerate(tokens):
        if skip:
            skip = False
            continue
        following = tokens[number + 1].strip(".,!?") if number + 1 < len(tokens) else ""
        scaled = token[:1] in _SIGNS and following in {"million", "billion"}
        before = tokens[number - 1].casefold() if number else ""
        part = _token(token, before, f" {following}" if scaled else "")
        if part:
            parts.append(part)
        skip = scaled
    return " ".join(parts)


def _read_german(written: str) -> str:
    parts = []
    for token in written.split():
        bare = token.strip(",!?;:")
        if found := re.fullmatch(r"(\d+)(\.?)", bare):
            hundreds, rest = divmod(int(found[1]), 100)
            name = _either_way(german(int(found[1])))
            counted = _either_way(german(hundreds) + "hundert" + (german(rest) if rest else ""))
            day = f"|{name}s?te[nrsm]?" if found[2] else ""
            parts.append(f"(?:{bare}|{name}|{counted}{day})")
        else:
            parts.append(re.escape(compared(bare, "de")))
    return "".join(parts)


def _either_way(name: str) -> str:
    """A German number with the "ein" and "und" that may be left out."""
    return re.sub("ein(?=hundert|tausend)", "(?:ein)?", re.sub("(?<!h)und", "(?:und)?", name))
