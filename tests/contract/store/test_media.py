"""Uploads and the keeping of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from batchscribe_server.domain.errors import AlreadyExistsError, MediaNotFoundError
from batchscribe_server.domain.media import Media
from batchscribe_server.operations.store import Store
from tests.contract.store.samples import SOME_TIME, TENANT, Clock, claim_one, new_job, succeed

KEPT_S = 3600


def upload(media_id: str) -> Media:
    expire_time = SOME_TIME + timedelta(seconds=KEPT_S)
    return Media(media_id, "a.wav", 44, "00ff", f"/data/media/{media_id}", SOME_TIME, expire_time)


async def unused(store: Store, limit: int = 10) -> list[str]:
    return [media.id for media in await store.unused_media(limit)]


async def test_an_upload_is_kept_as_long_as_it_says(store: Store, clock: Clock) -> None:
    await store.create_media(upload("one"))
    stored = await store.get_media(TENANT, "one")
    assert stored.expire_time - stored.create_time == timedelta(seconds=KEPT_S)
    assert replace(stored, create_time=SOME_TIME, expire_time=upload("one").expire_time) == upload("one")
    clock.advance(KEPT_S - 1)
    assert await unused(store) == []
    clock.advance(2)
    assert await unused(store) == ["one"]


async def test_an_upload_that_a_job_waits_for_stays(store: Store, clock: Clock) -> None:
    for media_id in ("one", "two", "three"):
        await store.create_media(upload(media_id))
    await store.create_job(new_job(input_uri="media/two"))
    clock.advance(KEPT_S + 1)
    assert await unused(store) == ["one", "three"]
    assert await unused(store, limit=1) == ["one"]
    claim = await claim_one(store)
    assert await unused(store) == ["one", "three"]
    await succeed(store, claim)
    assert await unused(store) == ["one", "two", "three"]


async def test_a_forgotten_upload_is_gone(store: Store) -> None:
    await store.create_media(upload("one"))
    with pytest.raises(AlreadyExistsError):
        await store.create_media(upload("one"))
    with pytest.raises(MediaNotFoundError):
        await store.get_media("another", "one")
    await store.delete_media("one")
    await store.delete_media("one")
    with pytest.raises(MediaNotFoundError):
        await store.get_media(TENANT, "one")


async def test_known_uploads_are_told_from_strays(store: Store) -> None:
    for number in range(3):
        await store.create_media(upload(f"known-{number}"))
    asked = [f"{kind}-{number}" for kind in ("known", "stray") for number in range(700)]
    assert await store.known_media(asked) == {"known-0", "known-1", "known-2"}
    assert await store.known_media([]) == frozenset()
