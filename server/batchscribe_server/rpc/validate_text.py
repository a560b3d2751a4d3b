"""The texts that clients attach to their resources: names, ids and labels."""

from __future__ import annotations

from collections.abc import Mapping

from batchscribe_server.domain.errors import Violations
from batchscribe_server.rpc.characters import refused_character
from batchscribe_server.rpc.names import shown

MAX_TEXT_CHARS = 255
MAX_LABELS = 64
MAX_LABEL_KEY_CHARS = 63
MAX_LABEL_VALUE_CHARS = 255
MIN_PRIORITY = -100
MAX_PRIORITY = 100


def check_text(text: str, path: str, violations: Violations, max_chars: int = MAX_TEXT_CHARS) -> None:
    """Check a short text, such as a display name or a reference id; it may be empty."""
    if problem := _problem(text, max_chars):
        violations.add(path, problem)


def check_labels(labels: Mapping[str, str], path: str, violations: Violations) -> None:
    """Check how many labels there are, and the length of each."""
    if len(labels) > MAX_LABELS:
        violations.add(path, f"holds {len(labels)} labels, at most {MAX_LABELS} are taken")
        return
    for key, value in labels.items():
        if problem := _problem(key, MAX_LABEL_KEY_CHARS) if key else "is empty":
            violations.add(path, f"the key {shown(key)} {problem}")
        check_text(value, f"{path}[{shown(key)}]", violations, MAX_LABEL_VALUE_CHARS)


def check_priority(priority: int, path: str, violations: Violations) -> None:
    """Check the bounds of a priority."""
    if not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        violations.add(path, f"must be from {MIN_PRIORITY} to {MAX_PRIORITY}")


def _problem(text: str, max_chars: int) -> str:
    if len(text) > max_chars:
        return f"is longer than {max_chars} characters"
    refused = refused_character(text)
    return f"holds {refused}, a control character; leave it out" if refused else ""
