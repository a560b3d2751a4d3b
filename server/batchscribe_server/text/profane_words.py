"""The profane words of a language: those of glin-profanity's dictionaries (MIT). Of the English ones those are left
aside that people say without swearing, and common forms of others are added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_DICTIONARIES: Mapping[str, str] = {
    "ar": "arabic",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "it": "italian",
    "ja": "japanese",
    "ko": "korean",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ru": "russian",
    "sv": "swedish",
    "th": "thai",
    "tr": "turkish",
    "zh": "chinese",
}

LANGUAGES = frozenset(_DICTIONARIES)
"""The languages whose profane words are known."""

# Of medicine, of the news, of everyday talk, and names.
_SAID_WITHOUT_SWEARING = frozenset(
    word.strip()
    for word in """
    anal|anus|babeland|bareback|barely legal|barenaked|bastinado|beaver cleaver|bestiality|bondage|brown showers|bs
    bullet vibe|busty|butt|camel toe|domination|ecchi|ejaculation|erotic|erotism|escort|eunuch|fecal
    fisting|fetish|g-spot|genitals|girl on|girl on top|grope|hard core|hardcore|homoerotic|hooker|how to kill
    how to murder|huge fat|incest|intercourse|jelly donut|leather restraint|leather straight jacket|lemon party
    lolita|lovemaking|make me come|masturbate|menage a trois|missionary position|mr hands|nipple|nipples|nude|nudity
    octopussy|one guy one jar|orgasm|paedophile|panties|panty|pedophile|pegging|penis|phone sex|playboy|porn
    pornography|prince albert piercing|pubes|rape|raping|rapist|rectum|sadism|santorum|scissoring|semen|sex|sexo|sexual
    sexuality|sexually|sexy|shrimping|simp|skeet|snatch|strip club|suck|sucks|suicide girls|swastika|swinger|taste my
    testbad01|threesome|throating|tied up|tight white|tongue in a|topless|tushy|twinkie|undressing|upskirt|vagina
    vibrator|violet wand|voyeur|vulva|wet dream|white power|wrapping men
    """.replace("\n", "|").split("|")
)

# What the dictionary has not got: what most swearing comes of, with its endings.
_ENGLISH_ROOTS = (
    "arsehole asshole bastard bitch bollock bullshit cocksucker cunt dickhead dipshit dumbass faggot fuck goddamn "
    "jackass motherfuck nigger piss prick retard shit slut tosser twat wank wanker whore"
)
_ENGLISH_ENDINGS = ("", "s", "es", "'s", "ed", "er", "er's", "ers", "in", "ing", "y", "ty")


@cache
def profane_words(language: str) -> frozenset[str]:
    """Words and phrases in small letters, with single spaces; none for a language that is not one of LANGUAGES."""
    if language not in LANGUAGES:
        return frozenset()
    # The data alone is read: the package itself is never imported.
    package = find_spec("glin_profanity")
    assert package is not None, "it is installed with the server"
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0]) / "data" / "dictionaries"
    words = json.loads((folder / f"{_DICTIONARIES[language]}.json").read_text(encoding="utf-8"))["words"]
    known = {" ".join(word.casefold().split()) for word in words} - {""}
    if language == "en":
        known -= _SAID_WITHOUT_SWEARING
        known |= {root + ending for root in _ENGLISH_ROOTS.split() for ending in _ENGLISH_ENDINGS}
    return frozenset(known)
