"""The values of a RecognitionConfig that say what is done to the text."""

from __future__ import annotations

from batchscribe.v1 import recognition_pb2 as pb
from batchscribe_server.domain.errors import Violations
from batchscribe_server.rpc.validate_text import check_text

MAX_REPLACEMENTS = 100
MAX_REPLACED_CHARS = 200
MAX_REPLACING_CHARS = 500


def check_editing(config: pb.RecognitionConfig, path: str, violations: Violations) -> None:
    """Note what is wrong with replacements and redaction. Expressions are compiled where they are used."""
    _check_redaction(config.redaction, f"{path}.redaction", violations)
    if len(config.replacements) > MAX_REPLACEMENTS:
        violations.add(
            f"{path}.replacements", f"holds {len(config.replacements)} entries, at most {MAX_REPLACEMENTS} are taken"
        )
        return
    for index, replacement in enumerate(config.replacements):
        _check_replacement(replacement, f"{path}.replacements[{index}]", violations)


def replaced(replacement: pb.Replacement) -> str:
    """The field `from`, whose name is a keyword here."""
    words: str = getattr(replacement, "from")
    return words


def _check_redaction(redaction: pb.RedactionConfig, path: str, violations: Violations) -> None:
    if redaction.categories and not redaction.enabled:
        violations.add(f"{path}.categories", f"has no effect unless {path}.enabled is true")
    seen = set[int]()
    for index, category in enumerate(redaction.categories):
        if category in seen:
            violations.add(f"{path}.categories[{index}]", "is there already")
        seen.add(category)


def _check_replacement(replacement: pb.Replacement, path: str, violations: Violations) -> None:
    words = replaced(replacement)
    if not words.strip():
        violations.add(f"{path}.from", "is required")
    elif len(words) > MAX_REPLACED_CHARS:
        violations.add(f"{path}.from", f"is longer than {MAX_REPLACED_CHARS} characters")
    check_text(replacement.to, f"{path}.to", violations, MAX_REPLACING_CHARS)
