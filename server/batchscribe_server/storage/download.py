"""Fetching an object to a file, from where it was cut off on when it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from batchscribe_server.domain.errors import JobFailure, Reason

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ATTEMPTS = 6
"""How often in a row a request may bring nothing."""

_FIRST_PAUSE_S = 0.2

Pieces = Callable[[int], "AsyncGenerator[bytes]"]
"""The bytes of one object from a place on, in one request. May raise JobFailure, which ends the download."""


async def download(
    uri: str, path: Path, size_bytes: int, pieces: Pieces, *, cut_off: tuple[type[BaseException], ...]
) -> None:
    """Write the object to `path`, where nothing is yet. What `cut_off` names is mended by another request.

    Raises JobFailure FETCH_FAILED when `ATTEMPTS` in a row bring nothing, or more than `size_bytes` come.
    """
    done = failures = 0
    with await asyncio.to_thread(path.open, "xb") as file:
        while done < size_bytes:
            before, problem = done, "it ended early"
            try:
                async with aclosing(pieces(done)) as arriving:
                    async for piece in arriving:
                        done += len(piece)
                        if done > size_bytes:
                            raise JobFailure(
                                Reason.FETCH_FAILED, f"{uri} is longer than the {size_bytes} bytes it was said to be"
                            )
                        await asyncio.to_thread(file.write, piece)
            except cut_off as error:
                problem = str(error) or type(error).__name__
            if done < size_bytes:
                failures = 1 if done > before else failures + 1
                if failures >= ATTEMPTS:
                    raise JobFailure(
                        Reason.FETCH_FAILED,
                        f"{uri} could not be fetched beyond {done} of {size_bytes} bytes: {problem}",
                    )
                await asyncio.sleep(pause_s(failures))


def pause_s(failures: int) -> float:
    """How long to wait after so many requests in a row that brought nothing, in seconds."""
    return _FIRST_PAUSE_S * 2.0 ** (failures - 1)
