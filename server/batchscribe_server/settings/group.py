"""What all groups of settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

GIB = 1024**3


class Group(BaseModel):
    """Settings that belong together: fixed once they are read, and none that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")
