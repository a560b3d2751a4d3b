"""Pages that fit into a message."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.wrappers_pb2 import BytesValue

from batchscribe_server.operations.store import ListQuery, Page
from batchscribe_server.rpc.pages import page_of_messages

MAX_BYTES = 10_000


class Listing:
    """Items of these sizes, in pages whose tokens are the number of the last one given."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes

    async def __call__(self, query: ListQuery) -> Page[int]:
        begin = int(query.page_token or 0)
        end = min(begin + query.page_size, len(self._sizes))
        token = str(end) if end < len(self._sizes) else ""
        return Page(self._sizes[begin:end], token, len(self._sizes))


async def pages(sizes: list[int], page_size: int) -> list[list[int]]:
    """The sizes of all items, page by page."""
    listing, query, found = Listing(sizes), ListQuery("default", page_size), []
    while True:
        page = await page_of_messages(listing, query, lambda size: BytesValue(value=bytes(size)), MAX_BYTES)
        assert page.total == len(sizes)
        found.append([len(message.value) for message in page.messages])
        if not page.next_page_token:
            return found
        query = replace(query, page_token=page.next_page_token)


async def test_small_items_come_in_pages_as_asked_for() -> None:
    found = await pages([1] * 205, 120)
    assert [len(page) for page in found] == [120, 85]


async def test_a_page_ends_early_where_it_has_come_to_its_size_and_none_is_lost() -> None:
    sizes = [10, 4_000, 4_000, 4_000, 20_000, 30, 30_000, 1, *[900] * 60, 9_900]
    found = await pages(sizes, 200)
    assert [size for page in found for size in page] == sizes
    assert len(found) > 5
    for page in found:
        assert len(page) == 1 or sum(page) <= MAX_BYTES


async def test_an_empty_listing_is_one_page() -> None:
    assert await pages([], 10) == [[]]
