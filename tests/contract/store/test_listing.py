"""Listings: filters, pages and their tokens."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from batchscribe_server.domain.errors import InvalidArgumentError
from batchscribe_server.domain.job import State
from batchscribe_server.operations.store import ListQuery, Store
from tests.contract.store.samples import TENANT, all_jobs, claim_one, new_batch, new_job, scanned_batch


async def ids_of(store: Store, query: ListQuery) -> list[str]:
    page = await store.list_jobs(query)
    assert page.total == len(page.items)
    return [job.id for job in page.items]


async def test_pages_hold_every_job_once_in_either_order(store: Store) -> None:
    created = [(await store.create_job(new_job())).id for _ in range(23)]
    assert [job.id for job in await all_jobs(store)] == created
    newest_first = []
    query = ListQuery(TENANT, 10)
    sizes = []
    while True:
        page = await store.list_jobs(query)
        assert page.total == 23
        sizes.append(len(page.items))
        newest_first += [job.id for job in page.items]
        if not page.next_page_token:
            break
        query = replace(query, page_token=page.next_page_token)
    assert newest_first == created[::-1]
    assert sizes == [10, 10, 3]


async def test_a_page_that_takes_all_has_no_next(store: Store) -> None:
    for _ in range(3):
        await store.create_job(new_job())
    assert (await store.list_jobs(ListQuery(TENANT, 3))).next_page_token == ""
    assert (await store.list_jobs(ListQuery("another", 3))).items == []


async def test_jobs_created_at_the_same_time_are_all_listed(store: Store) -> None:
    batch, jobs = await scanned_batch(store, 20)
    assert [job.id for job in await all_jobs(store, batch.id)] == [job.id for job in jobs]


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_jobs_added_meanwhile_neither_repeat_nor_hide_others(store: Store, oldest_first: bool) -> None:
    before = {(await store.create_job(new_job())).id for _ in range(12)}
    seen: list[str] = []
    query = ListQuery(TENANT, 5, oldest_first=oldest_first)
    while True:
        page = await store.list_jobs(query)
        seen += [job.id for job in page.items]
        if not page.next_page_token or len(seen) > 40:
            break
        await store.create_job(new_job())
        query = replace(query, page_token=page.next_page_token)
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


async def test_a_deleted_job_does_not_end_a_listing(store: Store) -> None:
    jobs = [await store.create_job(new_job()) for _ in range(6)]
    page = await store.list_jobs(ListQuery(TENANT, 3, oldest_first=True))
    await store.delete_job(TENANT, page.items[-1].id)
    rest = await store.list_jobs(ListQuery(TENANT, 9, page.next_page_token, oldest_first=True))
    assert [job.id for job in rest.items] == [job.id for job in jobs[3:]]


async def test_jobs_are_found_by_what_they_are(store: Store) -> None:
    batch, (in_batch,) = await scanned_batch(store, 1)
    first = await store.create_job(
        new_job(labels={"team": "sales", "year": "2026"}, reference_id="crm-1", input_uri="file:///Calls/one.wav")
    )
    second = await store.create_job(
        new_job(labels={"team": "sales"}, reference_id="crm-2", input_uri="file:///calls/100%_two.wav", priority=1)
    )
    running = (await claim_one(store)).job
    assert running.id == second.id
    query = ListQuery(TENANT, 10)
    assert await ids_of(store, replace(query, batch_id=batch.id)) == [in_batch.id]
    assert await ids_of(store, replace(query, labels={"team": "sales"})) == [second.id, first.id]
    assert await ids_of(store, replace(query, labels={"team": "sales", "year": "2026"})) == [first.id]
    assert await ids_of(store, replace(query, labels={"none": "x"})) == []
    assert await ids_of(store, replace(query, reference_id="crm-2")) == [second.id]
    assert await ids_of(store, replace(query, uri_prefix="file:///calls/")) == [second.id]
    assert await ids_of(store, replace(query, uri_prefix="file:///calls/100%_")) == [second.id]
    assert await ids_of(store, replace(query, states=(State.RUNNING,))) == [second.id]
    assert await ids_of(store, replace(query, states=(State.QUEUED, State.RUNNING))) == [
        second.id,
        first.id,
        in_batch.id,
    ]


async def test_batches_are_found_by_what_they_are(store: Store) -> None:
    first = await store.create_batch(new_batch(labels={"team": "sales"}, reference_id="a"))
    second = await store.create_batch(new_batch(labels={"team": "care"}, reference_id="b"))
    await store.create_batch(new_batch(tenant="another"))
    page = await store.list_batches(ListQuery(TENANT, 10))
    assert (list(page.items), page.total) == ([second, first], 2)
    page = await store.list_batches(ListQuery(TENANT, 10, labels={"team": "care"}))
    assert list(page.items) == [second]
    page = await store.list_batches(ListQuery(TENANT, 10, reference_id="a", states=(State.INITIALIZING,)))
    assert list(page.items) == [first]
    page = await store.list_batches(ListQuery(TENANT, 10, states=(State.RUNNING,)))
    assert list(page.items) == []


async def test_a_token_of_another_query_is_refused(store: Store) -> None:
    for _ in range(3):
        await store.create_job(new_job())
        await store.create_batch(new_batch())
    query = ListQuery(TENANT, 1, labels={}, states=(State.QUEUED,))
    token = (await store.list_jobs(query)).next_page_token
    ours = replace(query, page_token=token)
    assert len((await store.list_jobs(replace(ours, page_size=2))).items) == 2
    for other in (
        replace(ours, tenant="another"),
        replace(ours, oldest_first=True),
        replace(ours, states=()),
        replace(ours, labels={"a": "b"}),
        replace(ours, batch_id="x"),
        replace(ours, reference_id="x"),
        replace(ours, uri_prefix="x"),
    ):
        with pytest.raises(InvalidArgumentError) as refused:
            await store.list_jobs(other)
        assert [violation.field for violation in refused.value.violations] == ["page_token"]
    with pytest.raises(InvalidArgumentError):
        await store.list_batches(ours)


async def test_jobs_are_found_by_their_whole_uri(store: Store) -> None:
    one, _ = [await store.create_job(new_job(input_uri=uri)) for uri in ("file:///a.wav", "file:///a.wav.wav")]
    assert await ids_of(store, ListQuery(TENANT, 10, uri="file:///a.wav")) == [one.id]
    assert await ids_of(store, ListQuery(TENANT, 10, uri="file:///a")) == []


@pytest.mark.parametrize("key", ['a"b', "a.b/c", "$x[0]", "it's", "a\\b", "ü"])
async def test_labels_of_any_key_are_found(store: Store, key: str) -> None:
    job = await store.create_job(new_job(labels={key: "yes"}))
    await store.create_job(new_job(labels={key: "no"}))
    assert await ids_of(store, ListQuery(TENANT, 10, labels={key: "yes"})) == [job.id]


@pytest.mark.parametrize(
    ("at", "value"),
    [(1, 1 << 62), (1, -(1 << 62)), (1, "time"), (2, "\0"), (2, 7), (3, -1), (3, 1 << 40), (3, 1 << 63), (0, 7)],
)
async def test_tokens_that_were_never_given_are_refused(store: Store, at: int, value: object) -> None:
    for _ in range(2):
        await store.create_job(new_job())
    token = (await store.list_jobs(ListQuery(TENANT, 1))).next_page_token
    parts: list[Any] = msgspec.msgpack.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    parts[at] = value
    forged = base64.urlsafe_b64encode(msgspec.msgpack.encode(parts)).decode().rstrip("=")
    with pytest.raises(InvalidArgumentError, match="page_token"):
        await store.list_jobs(ListQuery(TENANT, 1, page_token=forged))
