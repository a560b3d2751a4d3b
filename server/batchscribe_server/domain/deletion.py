"""What is being deleted: a mark on a batch or a job that stays until all of it is gone, whoever is killed meanwhile."""

from __future__ import annotations

from enum import StrEnum


class Deletion(StrEnum):
    """What goes: the RECORD with all the service keeps, the OUTPUTS that were written before it, or, as its time has
    EXPIRED, the record with the uploads that it alone used.
    """

    RECORD = "RECORD"
    OUTPUTS = "OUTPUTS"
    EXPIRED = "EXPIRED"
