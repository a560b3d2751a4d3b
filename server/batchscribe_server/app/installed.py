"""Whether what extras bring is there, without importing it."""

from __future__ import annotations

from importlib.util import find_spec


def installed(*names: str) -> bool:
    """Whether there are modules of all these names."""
    return all(map(_is_there, names))


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of a package that it would be part of
        return False
