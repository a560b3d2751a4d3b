"""Whose work something is: the parties between which turns go round."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Party:
    """A tenant and one of its batches. The files that a tenant submits one by one are a batch without an id."""

    tenant: str = ""
    batch_id: str = ""


NOBODY = Party()
"""Where there is but one party."""
