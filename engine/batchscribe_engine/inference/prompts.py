"""What the model is told before it listens: words to expect and the text before, then language and task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

MAX_HINT_TOKENS = 223
"""Half of Whisper's context, less the token that begins it: the hints' share (Radford et al. 2022, section 2.3)."""


def prompt_tokens(
    encode: Callable[[str], Sequence[int]],
    *,
    start_of_previous: int,
    start_sequence: Sequence[int],
    hotwords: str,
    previous: Sequence[str],
) -> list[int]:
    """The prompt of one segment, in tokens.

    `previous` are texts that come before the segment, in order; when there is too much, the latest is kept. Hotwords
    come first and get at most half of the room.
    """
    hints: list[int] = []
    if hotwords.strip():
        hints.extend(encode(" " + hotwords.strip())[: MAX_HINT_TOKENS // 2])
    before = [token for text in previous if text.strip() for token in encode(" " + text.strip())]
    hints.extend(before[-(MAX_HINT_TOKENS - len(hints)) :])
    return [start_of_previous, *hints, *start_sequence] if hints else list(start_sequence)
