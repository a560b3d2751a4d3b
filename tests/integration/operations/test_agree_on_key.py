"""Servers that share a database and do not have the same key are told before anything is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from batchscribe_server.operations.agree_on_key import KeyDiffersError, agree_on_key
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.storage.seal import FernetSeal
from batchscribe_server.store import SqlStore

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with SqlStore.open(f"sqlite:///{tmp_path / 'test.db'}", Wakeups()) as opened:
        await agree_on_key(opened, FernetSeal([OLD]), must_fit=True)
        yield opened


async def test_the_same_key_fits(store: Store) -> None:
    await agree_on_key(store, FernetSeal([OLD]), must_fit=True)
    await agree_on_key(store, FernetSeal([OLD, NEW]), must_fit=True)


async def test_another_key_does_not_and_gives_nothing_of_itself_away(store: Store) -> None:
    with pytest.raises(KeyDiffersError) as told:
        await agree_on_key(store, FernetSeal([OTHER]), must_fit=True)
    assert OTHER not in str(told.value)
    assert OLD not in str(told.value)
    await agree_on_key(store, FernetSeal([OLD]), must_fit=True)  # nothing has changed


async def test_keys_are_rotated_and_who_was_left_behind_is_told(store: Store) -> None:
    await agree_on_key(store, FernetSeal([NEW, OLD]), must_fit=True)
    await agree_on_key(store, FernetSeal([NEW]), must_fit=True)
    with pytest.raises(KeyDiffersError):
        await agree_on_key(store, FernetSeal([OLD]), must_fit=True)


async def test_who_need_not_fit_goes_on_with_its_own(store: Store) -> None:
    await agree_on_key(store, FernetSeal([OTHER]), must_fit=False)
    await agree_on_key(store, FernetSeal([OTHER]), must_fit=True)
