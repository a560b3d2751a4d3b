"""How numbers are read aloud, by which what `formatting` writes is checked.

Each name is an expression for a key: the words in small letters with neither spaces nor hyphens between. Only whole
names are known: "hundred" or "tausend" alone is no name of 100 or 1000, as it mostly is none ("tausend Dank").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_MILLION, _BILLION, _TRILLION = 10**6, 10**9, 10**12
_FIRST_TENS = 20


def key_of(words: Sequence[str]) -> str:
    """The words as they are compared with names."""
    return "".join(words).casefold().replace("-", "")


def reads_as(value: int, words: Sequence[str], language: str) -> bool:
    """Whether a cardinal number, read aloud in the language, can be these words."""
    name = _name(value, language)
    return name is not None and re.fullmatch(name, key_of(words)) is not None


def reads_as_ordinal(value: int, words: Sequence[str], language: str) -> bool:
    """The same of an ordinal number, in English and, from the tenth to the last day of a month, in German."""
    name = _ordinal_name(value, language)
    return name is not None and re.fullmatch(name, key_of(words)) is not None


@dataclass(frozen=True, slots=True)
class _Language:
    """The parts of which a language makes its numbers.

    `units` are those of 0 to 19, `tens` those of 20 to 90; `compound` makes one of tens and a unit, and `last_one` is
    1 at the end of a number. `hundreds` are those of 100 to 900 with something after them; `hundred` alone, if it has
    a name then. `joint` may stand after hundreds and thousands. `counts_hundreds` allows "nineteen hundred".
    """

    units: Sequence[str]
    tens: Sequence[str]
    compound: Callable[[int, int, str, str], str]
    last_one: str
    hundreds: Sequence[str]
    hundred: str | None
    thousand: str
    one_thousand: tuple[str, str | None]
    joint: str
    counts_hundreds: str = ""

    def below_100(self, value: int, *, last: bool = True) -> str:
        if value == 1 and last:
            return self.last_one
        if value < _FIRST_TENS:
            return self.units[value]
        tens, unit = divmod(value, 10)
        if not unit:
            return self.tens[tens - 2]
        return self.compound(tens, unit, self.tens[tens - 2], self.last_one if unit == 1 else self.units[unit])

    def below_1000(self, value: int, *, last: bool = True) -> str:
        hundreds, rest = divmod(value, 100)
        if not hundreds:
            return self.below_100(rest, last=last)
        return self.hundreds[hundreds - 1] + (self.joint + self.below_100(rest, last=last) if rest else "")

    def below_million(self, value: int) -> str | None:
        if value == 100:
            return self.hundred
        if value == 1000:
            return self.one_thousand[1]
        thousands, rest = divmod(value, 1000)
        after = self.below_1000(rest) if rest else ""
        if not thousands:
            return after or self.units[0]
        named = self.one_thousand[0] if thousands == 1 else self.below_1000(thousands, last=False) + self.thousand
        name = named + (self.joint + after if after else "")
        hundreds, rest = divmod(value, 100)
        if self.counts_hundreds and 11 <= hundreds <= 99 and hundreds % 10:
            counted = self.below_100(hundreds, last=False) + self.counts_hundreds
            name = f"{name}|{counted}" + (self.joint + self.below_100(rest) if rest else "")
        return f"(?:{name})"


def _listed(names: str) -> list[str]:
    return names.split()


def _joined(between: str) -> Callable[[int, int, str, str], str]:
    return lambda _tens, _unit, tens_name, unit_name: tens_name + between + unit_name


def _unit_first(between: str) -> Callable[[int, int, str, str], str]:
    return lambda _tens, _unit, tens_name, unit_name: unit_name + between + tens_name


def _french(tens: int, unit: int, tens_name: str, unit_name: str) -> str:
    if tens in {7, 9}:
        between = "(?:et)?" if (tens, unit) == (7, 1) else ""
        return tens_name.removesuffix("dix") + between + _UNITS_FR[10 + unit]
    if tens == 8:
        return "quatrevingt" + unit_name
    return tens_name + ("(?:et)?" if unit == 1 else "") + unit_name


def _spanish(tens: int, unit: int, tens_name: str, unit_name: str) -> str:
    return f"(?:veinti|veintey){unit_name}" if tens == 2 else f"{tens_name}y{unit_name}"


def _italian(tens: int, unit: int, tens_name: str, unit_name: str) -> str:
    return (tens_name[:-1] if unit in {1, 8} else tens_name) + unit_name


_UNITS_FR = _listed(
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dixsept dixhuit "
    "dixneuf"
)
_UNITS_EN = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_UNITS_DE = _listed(
    "null ein (?:zwei|zwo) drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn"
)
_UNITS_NL = _listed(
    "nul (?:een|één) twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien "
    "zeventien achttien negentien"
)
_UNITS_DA = _listed(
    "nul (?:en|et|én|ét) to tre fire fem seks syv otte ni ti elleve tolv tretten fjorten femten seksten sytten atten "
    "nitten"
)
_UNITS_ES = _listed(
    "cero (?:un|ún) d[oó]s tr[eé]s cuatro cinco s[eé]is siete ocho nueve diez once doce trece catorce quince "
    "diecis[eé]is diecisiete dieciocho diecinueve"
)
_UNITS_IT = _listed(
    "zero un due tr[eé] quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove"
)
_UNITS_PT = _listed(
    "zero um[a]? (?:dois|duas) tr[eê]s quatro cinco seis sete oito nove dez onze doze treze (?:ca|qua)torze quinze "
    "dez[ae]sseis dez[ae]ssete dezoito dez[ae]nove"
)

_LANGUAGES: Mapping[str, _Language] = {
    "en": _Language(
        units=_UNITS_EN,
        tens=_listed("twenty thirty forty fifty sixty seventy eighty ninety"),
        compound=_joined(""),
        last_one="one",
        hundreds=[f"{unit}hundred" for unit in _UNITS_EN[1:10]],
        hundred="onehundred",
        thousand="thousand",
        one_thousand=("onethousand", "onethousand"),
        joint="(?:and)?",
        counts_hundreds="hundred",
    ),
    "de": _Language(
        units=_UNITS_DE,
        tens=_listed("zwanzig dreissig vierzig fünfzig sechzig siebzig achtzig neunzig"),
        compound=lambda _tens, _unit, tens, unit: unit.removesuffix("s?") + "und" + tens,
        last_one="eins?",
        hundreds=["(?:ein)?hundert", *(f"{unit}hundert" for unit in _UNITS_DE[2:10])],
        hundred="einhundert",
        thousand="tausend",
        one_thousand=("(?:ein)?tausend", "eintausend"),
        joint="(?:und)?",
        counts_hundreds="hundert",
    ),
    "nl": _Language(
        units=_UNITS_NL,
        tens=_listed("twintig dertig veertig vijftig zestig zeventig tachtig negentig"),
        compound=_unit_first("[eë]n"),
        last_one=_UNITS_NL[1],
        hundreds=["(?:een|één)?honderd", *(f"{unit}honderd" for unit in _UNITS_NL[2:10])],
        hundred="(?:een|één)honderd",
        thousand="duizend",
        one_thousand=("(?:een|één)?duizend", "(?:een|één)duizend"),
        joint="(?:[eë]n)?",
        counts_hundreds="honderd",
    ),
    "da": _Language(
        units=_UNITS_DA,
        tens=_listed("tyve tredive fyrre halvtreds tres halvfjerds firs halvfems"),
        compound=_unit_first("og"),
        last_one=_UNITS_DA[1],
        hundreds=["(?:[eé]t)?hundrede?", *(f"{unit}hundrede?" for unit in _UNITS_DA[2:10])],
        hundred="[eé]thundrede?",
        thousand="tusinde?",
        one_thousand=("(?:[eé]t)?tusinde?", "[eé]ttusinde?"),
        joint="(?:og)?",
    ),
    "fr": _Language(
        units=_UNITS_FR,
        tens=_listed("vingt trente quarante cinquante soixante soixantedix quatrevingts? quatrevingtdix"),
        compound=_french,
        last_one="une?",
        hundreds=["cent", *(f"{unit}cents?" for unit in _UNITS_FR[2:10])],
        hundred=None,
        thousand="mille",
        one_thousand=("mille", None),
        joint="",
    ),
    "es": _Language(
        units=_UNITS_ES,
        tens=_listed("veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa"),
        compound=_spanish,
        last_one="(?:un[oa]?|ún)",
        hundreds=_listed(
            "(?:ciento|cien) doscient[oa]s trescient[oa]s cuatrocient[oa]s quinient[oa]s seiscient[oa]s setecient[oa]s "
            "ochocient[oa]s novecient[oa]s"
        ),
        hundred=None,
        thousand="mil",
        one_thousand=("mil", None),
        joint="",
    ),
    "it": _Language(
        units=_UNITS_IT,
        tens=_listed("venti trenta quaranta cinquanta sessanta settanta ottanta novanta"),
        compound=_italian,
        last_one="un[oa]?",
        hundreds=["cento?", *(f"{unit}cento?" for unit in _UNITS_IT[2:10])],
        hundred=None,
        thousand="mila",
        one_thousand=("mille", None),
        joint="",
    ),
    "pt": _Language(
        units=_UNITS_PT,
        tens=_listed("vinte trinta quarenta cinquenta sessenta setenta oitenta noventa"),
        compound=_joined("e"),
        last_one=_UNITS_PT[1],
        hundreds=_listed(
            "(?:cento|cem) duzent[oa]s trezent[oa]s quatrocent[oa]s quinhent[oa]s seiscent[oa]s setecent[oa]s "
            "oitocent[oa]s novecent[oa]s"
        ),
        hundred=None,
        thousand="mil",
        one_thousand=("mil", None),
        joint="e?",
    ),
}

_SCALES_EN = (("billion", _BILLION), ("million", _MILLION))
_ORDINALS_EN = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth", 12: "twelfth"}
_LAST_DAY = 31


@lru_cache(maxsize=4096)
def _name(value: int, language: str) -> str | None:
    if language == "en" and _MILLION <= value < _TRILLION:
        word, scale = _SCALES_EN[0] if value >= _BILLION else _SCALES_EN[1]
        count, rest = divmod(value, scale)
        name = _LANGUAGES["en"].below_1000(count) + word
        return name + (f"(?:and)?{_name(rest, language)}" if rest else "")
    return _LANGUAGES[language].below_million(value) if 0 <= value < _MILLION else None


@lru_cache(maxsize=1024)
def _ordinal_name(value: int, language: str) -> str | None:
    if language == "de" and 10 <= value <= _LAST_DAY:
        return f"{_name(value, language)}{'ste' if value >= _FIRST_TENS else 'te'}[nrsm]?"
    rest = value % 100
    if language != "en" or not rest:
        return None  # "two hundredth" may be a fraction
    unit = rest if rest < _FIRST_TENS else rest % 10
    tens = _LANGUAGES["en"].tens[rest // 10 - 2] if rest >= _FIRST_TENS else ""
    last = tens + _ORDINALS_EN.get(unit, f"{_UNITS_EN[unit]}th") if unit else f"{tens.removesuffix('y')}ieth"
    return (f"{_name(value - rest, language)}(?:and)?" if value > rest else "") + last
