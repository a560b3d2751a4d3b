"""The states of jobs and batches, and the words of the contract's enums."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from batchscribe.v1.state_pb2 import (
    STATE_CANCELLED,
    STATE_EXPIRED,
    STATE_FAILED,
    STATE_SUCCEEDED,
    State,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor

TERMINAL_STATES = frozenset({STATE_SUCCEEDED, STATE_FAILED, STATE_CANCELLED, STATE_EXPIRED})


def is_terminal(state: int) -> bool:
    """Whether a job or a batch in this state has ended."""
    return state in TERMINAL_STATES


def state_word(state: int) -> str:
    """A state as people read it: `RUNNING`."""
    return enum_word(State.DESCRIPTOR, state)


def enum_word(enum: EnumDescriptor, number: int) -> str:
    """The name of an enum's value without the enum's own: `STATE_RUNNING` is `RUNNING`. Unknown ones are numbers."""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(_prefix(enum)) if value else str(number)


def enum_number(enum: EnumDescriptor, word: str | int) -> int:
    """The value that a word in any case names: `enhanced` is `OPERATING_POINT_ENHANCED`. Numbers pass.

    Raises ValueError, naming the words there are.
    """
    if isinstance(word, int):
        return word
    name = re.sub(r"[-\s]", "_", word.strip()).upper()
    value = enum.values_by_name.get(_prefix(enum) + name) or enum.values_by_name.get(name)
    if value is None:
        known = [enum_word(enum, value.number).lower() for value in enum.values if value.number]
        raise ValueError(f"{word!r} is not one of {', '.join(known)}{did_you_mean(word, known)}")
    return value.number


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What may have been meant by a word that is not known, to put after that; empty where nothing is like it."""
    alike = difflib.get_close_matches(word.lower(), known, n=1)
    return f"; did you mean {alike[0]}?" if alike else ""


def _prefix(enum: EnumDescriptor) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"
