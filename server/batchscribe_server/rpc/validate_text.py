"""The texts that clients attach to their resources: names, ids and labels."""

from __future__ import annotations

from collections.abc import Mapping

from batchscribe_server.domain.errors import Violations
from batchscribe_server.rpc.names import shown

MAX_TEXT_CHARS = 255
MAX_LABELS = 64
MAX_LABEL_KEY_CHARS = 63
MAX_LABEL_VALUE_CHARS = 255
MIN_PRIORITY = -100
MAX_PRIORITY = 100


def check_text(text: str, path: str, violations: Violations) -> None:
    """Check a short text, such as a display name or a reference id; it may be empty."""
    if len(text) > MAX_TEXT_CHARS:
        violations.add(path, f"is longer than {MAX_TEXT_CHARS} characters")
    elif not _is_plain(text):
        violations.add(path, "holds control characters")


def check_labels(labels: Mapping[str, str], path: str, violations: Violations) -> None:
    """Check how many labels there are, and the length of each."""
    if len(labels) > MAX_LABELS:
        violations.add(path, f"holds {len(labels)} labels, at most {MAX_LABELS} are taken")
        return
    for key, value in labels.items():
        if not 0 < len(key) <= MAX_LABEL_KEY_CHARS or not _is_plain(key):
            violations.add(path, f"the key {shown(key)} must be 1 to {MAX_LABEL_KEY_CHARS} plain characters")
        if len(value) > MAX_LABEL_VALUE_CHARS or not _is_plain(value):
            violations.add(
                f"{path}[{shown(key)}]",
                f"must be at most {MAX_LABEL_VALUE_CHARS} plain characters",
            )


def check_priority(priority: int, path: str, violations: Violations) -> None:
    """Check the bounds of a priority."""
    if not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        violations.add(path, f"must be from {MIN_PRIORITY} to {MAX_PRIORITY}")


def _is_plain(text: str) -> bool:
    return all(character >= " " and character != "\x7f" for character in text)
