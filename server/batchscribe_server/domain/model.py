"""A speech recognition model that jobs can ask for by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ModelSource(StrEnum):
    """Where a model comes from, in the order in which they are looked for; REPLICA is another server."""

    PATH = "PATH"
    PACKAGE = "PACKAGE"
    HUB_CACHE = "HUB_CACHE"
    HUB = "HUB"
    REPLICA = "REPLICA"


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a model without loading it. `path` is empty while it is not on this machine.

    `languages` holds ISO 639-1 codes; `window_margin_s` is how much longer than a segment the encoder's window must be
    for this model, None for the full 30 s window.
    """

    name: str
    source: ModelSource
    path: str
    size_bytes: int
    languages: tuple[str, ...]
    sha256: str = ""
    window_margin_s: float | None = None
    default: bool = False

    @property
    def multilingual(self) -> bool:
        """True when it knows more than one language, and can translate."""
        return len(self.languages) > 1
