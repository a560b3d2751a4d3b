"""Which names were seen before, for any number of them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

_CACHE_KIB = 16 * 1024
_DIGEST_BYTES = 16


class NamesSeenOnDisk:
    """Digests of names in a temporary database.

    It takes 16 MiB of memory at most, and some 30 bytes a name of the machine's temporary folder (SQLITE_TMPDIR,
    TMPDIR, or /var/tmp), in a file that has no name and goes with it. That two names share a digest of 128 bits won't
    happen.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def repeated(self, named: Sequence[tuple[str, int]]) -> Sequence[tuple[int, int]]:
        """Note names with their lines. The lines of those that were seen before, each with the first line of it."""
        repeats: list[tuple[int, int]] = []
        for name, line in named:
            if not self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (_digest(name), line)).rowcount:
                repeats += self.known([(name, line)])
        return repeats

    def known(self, named: Sequence[tuple[str, int]]) -> Sequence[tuple[int, int]]:
        """The lines of names that were seen before, each with the first line of it."""
        found = []
        for name, line in named:
            query = self._database.execute("SELECT line FROM seen WHERE digest = ?", (_digest(name),))
            if (first := query.fetchone()) is not None:
                found.append((line, int(first[0])))
        return found


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()


@contextmanager
def names_seen() -> Iterator[NamesSeenOnDisk]:
    """A memory for names, which is empty as yet. To be used by one thread at a time."""
    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID")
        database.execute("BEGIN")
        yield NamesSeenOnDisk(database)
