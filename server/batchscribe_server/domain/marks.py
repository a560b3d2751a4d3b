"""The punctuation marks of the writing systems, by what they do."""

# ruff: noqa: RUF001 - the marks of other scripts look like ours, and are meant
from __future__ import annotations

SENTENCE_ENDS = frozenset(".?!…。？！｡؟۔।॥։።")
CLAUSE_ENDS = frozenset(",;:–—，、；：､،؛፣፤")

BEFORE_WORDS = frozenset("¿¡\"'“”„‘’‚«»‹›([{「『（【《〈–—")
"""What may stand before a word; quotes that close in one language open in another."""

CLOSING = frozenset("\"'”’»)]}›」』）】》〉")
"""What may stand after the mark that ends a sentence."""

AFTER_WORDS = SENTENCE_ENDS | CLAUSE_ENDS | CLOSING | frozenset("“«‹‘")
"""What may stand after a word."""

BRACKETS = {")": "(", "]": "[", "}": "{", "」": "「", "』": "『", "）": "（", "】": "【", "》": "《", "〉": "〈"}
"""The brackets that close, each with the one that opens it."""

APOSTROPHES = frozenset("'’")
