"""The store on SQL: SQLite in the data directory, or PostgreSQL where several replicas share it."""

from batchscribe_server.store.errors import DatabaseTooNewError, DataDirectoryInUseError, StoreError
from batchscribe_server.store.store import SqlStore

__all__ = ["DataDirectoryInUseError", "DatabaseTooNewError", "SqlStore", "StoreError"]
