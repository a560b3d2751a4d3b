"""Pages of listings that fit into a message, however large what they list is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Generic, TypeVar

from google.protobuf.message import Message

from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.store import ListQuery, Page

MAX_PAGE_BYTES = 3 << 20
"""A page ends where it has come to this. gRPC's clients take messages of 4 MiB unless they are told otherwise."""

READ_AT_ONCE = 50
"""How many are read from the store for the next part of a page, so that a page is not held whole before it is cut."""

Item = TypeVar("Item")
Shown = TypeVar("Shown", bound=Message)


class MessagePage(Generic[Shown]):
    """A page as messages; an empty token ends the listing."""

    def __init__(self) -> None:
        self.messages: list[Shown] = []
        self.next_page_token = ""
        self.total = 0


async def page_of_messages(
    list_page: Callable[[ListQuery], Awaitable[Page[Item]]],
    query: ListQuery,
    convert: Callable[[Item], Shown],
    max_bytes: int = MAX_PAGE_BYTES,
) -> MessagePage[Shown]:
    """The page of a query as messages, at least one, and no more than fit into `max_bytes`."""
    page = MessagePage[Shown]()
    size_bytes = 0
    token = query.page_token
    while (missing := query.page_size - len(page.messages)) > 0:
        part = replace(query, page_token=token, page_size=min(missing, READ_AT_ONCE))
        found = await list_page(part)
        page.total = found.total
        messages, part_bytes = await in_thread(partial(_fitting, found.items, convert, max_bytes - size_bytes))
        if not messages and not page.messages and found.items:
            messages = [convert(found.items[0])]
        if len(messages) < len(found.items):
            # Read once more, for the token of the last one that fits.
            fitting = await list_page(replace(part, page_size=len(messages))) if messages else None
            page.messages += messages
            page.next_page_token = token if fitting is None else fitting.next_page_token
            return page
        page.messages += messages
        size_bytes += part_bytes
        token = page.next_page_token = found.next_page_token
        if not token:
            break
    return page


def _fitting(items: Sequence[Item], convert: Callable[[Item], Shown], room_bytes: int) -> tuple[list[Shown], int]:
    messages: list[Shown] = []
    used_bytes = 0
    for item in items:
        message = convert(item)
        # With its tag and its length.
        used_bytes += message.ByteSize() + 8
        if used_bytes > room_bytes:
            break
        messages.append(message)
    return messages, used_bytes
