"""Finds e-mail addresses, written or told: `john@example.com`, "john dot smith at example dot com"."""

from __future__ import annotations

import re

from batchscribe_server.text.removal import Span

_NAME = r"[^\W_](?:[\w.+-]*\w)?"
_JOINT = r"(?:dot|point|punkt|punto|ponto|punt|underscore|dash|hyphen|minus|plus|strich|tiret|guion|trattino)"
_SPELLED = r"(?:(?:[^\W\d_]|\d+)\s+){0,30}?"
_LOCAL = rf"{_SPELLED}(?:{_NAME}(?:\s+{_JOINT}\s+{_NAME}){{0,5}})(?:\s+\d+){{0,3}}"
_AT = r"(?:\s*@\s*|\s+(?:at|ät|arobase|arroba|chiocciola|apenstaartje|klammeraffe)\s+)"
_DOT = r"(?:\.|\s+(?:dot|point|punkt|punto|ponto|punt)\s+)"
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_DOMAIN = rf"{_LABEL}(?:{_DOT}{_LABEL}){{0,4}}{_DOT}[^\W\d_]{{2,24}}(?![^\W_])"
_PROVIDER = r"(?:gmail|hotmail|outlook|yahoo|icloud|protonmail)(?![^\W_])"

_ADDRESS = re.compile(rf"(?<![^\W_]){_LOCAL}{_AT}(?:{_DOMAIN}|{_PROVIDER})", re.IGNORECASE)
_SIGNS = re.compile(r"@|\bat\b|ät|aro|arro|chioc|apen|klammer", re.IGNORECASE)


def email_addresses(text: str) -> list[Span]:
    """Where addresses stand, in order. Of a name told as several words without joints only the last is taken."""
    if not _SIGNS.search(text):
        return []
    return [found.span() for found in _ADDRESS.finditer(text)]
