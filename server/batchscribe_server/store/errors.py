"""Why a store cannot be opened: for the operator, at start."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot be opened; the message says what to do."""


class DataDirectoryInUseError(StoreError):
    """Another server has this SQLite database open."""


class DatabaseTooNewError(StoreError):
    """The database was written by a newer version of the service."""
