"""What `database.url` may say of PostgreSQL, and that nothing it says is repeated where others read."""

from __future__ import annotations

import pytest

from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.settings import load_settings
from batchscribe_server.store import SqlStore, StoreError
from batchscribe_server.store import postgres_url as module
from batchscribe_server.store.postgres_url import PostgresUrl

SECRET = "pa55w0rd"


@pytest.fixture
def all_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: object())


@pytest.mark.usefixtures("all_installed")
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg"])
def test_the_url_is_taken(scheme: str) -> None:
    PostgresUrl(f"{scheme}://me:{SECRET}@one,two:5433/calls?sslmode=require&connect_timeout=3")


@pytest.mark.usefixtures("all_installed")
@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"postgresql+psycopg://me:{SECRET}@h/d", "postgresql\\+psycopg"),
        (f"postgres://me:{SECRET}@h/d", "'postgres'"),
        (f"postgresql://me:{SECRET}#x@h/d", "%23"),
        (f"postgresql://me:{SECRET}@h/d?connect_timeout=soon", "not a URL"),
        (f"postgresql://me:{SECRET}@h/d?connect_timeout=0", "more than 0"),
        (f"postgresql://me:{SECRET}@h/d?sslmode", "not a URL"),
    ],
)
async def test_what_cannot_be_used_is_refused_without_repeating_it(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as raised:
        async with SqlStore.open(url, Wakeups()):
            pytest.fail("it opened")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("missing", ["asyncpg", "greenlet"])
def test_a_missing_library_is_named_with_its_extra(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(StoreError, match=rf"{missing}.*batchscribe\[postgres\]"):
        PostgresUrl("postgresql://h/d")


def test_the_settings_do_not_show_the_password() -> None:
    settings = load_settings({"database": {"url": f"postgresql://me:{SECRET}@h/d", "pool_size": 20}})
    assert SECRET not in str(settings.redacted()) + repr(settings)


@pytest.mark.parametrize("url", ["", "sqlite:///here.db"])
def test_a_pool_without_postgresql_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="pool_size is for PostgreSQL"):
        load_settings({"database": {"url": url, "pool_size": 5}})
