"""Tokens of IBM Cloud: exchanged once, renewed in time, and what is said where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from batchscribe_server.storage.ibm_iam import (
    AGAIN_AFTER_S,
    AHEAD_S,
    ATTEMPTS,
    ApiKeyRefusedError,
    IamTokens,
    IamUnreachableError,
)
from tests.ibm_cloud import APIKEY, Iam, iam_of_ibm

UNREACHABLE = [503] * ATTEMPTS


class Time:
    """A clock that only moves when it is told to, or slept on."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, pause_s: float) -> None:
        """Pass the time at once."""
        self.pauses.append(pause_s)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def iam() -> AsyncIterator[Iam]:
    async with iam_of_ibm() as started:
        yield started


@pytest.fixture
async def tokens(iam: Iam, time: Time) -> AsyncIterator[IamTokens]:
    async with IamTokens(iam.url, APIKEY, clock=time, sleep=time.sleep) as opened:
        yield opened


async def test_a_token_is_exchanged_once_for_all_who_ask(iam: Iam, tokens: IamTokens) -> None:
    assert {token.text for token in await asyncio.gather(*(tokens.current() for _ in range(20)))} == {"token-0"}
    assert iam.asked == 1


@pytest.mark.parametrize(("lasts_s", "ahead_s"), [(3600, AHEAD_S), (60, 12)])
async def test_it_is_renewed_before_it_expires(
    iam: Iam, tokens: IamTokens, time: Time, lasts_s: float, ahead_s: float
) -> None:
    iam.lasts_s = lasts_s
    await tokens.current()
    time.now_s += lasts_s - ahead_s - 1
    assert (await tokens.current()).text == "token-0"
    time.now_s += 1
    asked = [token.text for token in await asyncio.gather(*(tokens.current() for _ in range(20)))]
    assert asked == ["token-1", *["token-0"] * 19], "who does not renew it does not wait either"
    assert {token.text for token in await asyncio.gather(*(tokens.current() for _ in range(20)))} == {"token-1"}
    assert iam.asked == 2


async def test_one_that_still_holds_is_used_while_iam_is_out_of_reach(iam: Iam, tokens: IamTokens, time: Time) -> None:
    await tokens.current()
    time.now_s += 3600 - AHEAD_S
    iam.statuses = [503, *UNREACHABLE]
    assert (await tokens.current()).text == "token-0"
    time.now_s += AGAIN_AFTER_S - 1
    assert (await tokens.current()).text == "token-0"
    assert iam.asked == 2
    assert time.pauses == [], "it is not worth waiting for"
    time.now_s += AHEAD_S
    with pytest.raises(IamUnreachableError, match="503"):
        await tokens.current()
    assert (await tokens.current()).text == "token-1"


async def test_one_that_is_rejected_while_it_is_replaced_is_waited_for(iam: Iam, tokens: IamTokens, time: Time) -> None:
    token = await tokens.current()
    time.now_s += 3600 - AHEAD_S
    iam.statuses = [503]
    replacing = asyncio.create_task(tokens.current())
    await asyncio.sleep(0)  # it has begun
    assert await tokens.current() is token
    tokens.reject(token)
    assert (await tokens.current()).text == "token-1"
    assert (await replacing).text == "token-1"


async def test_a_token_that_the_store_rejects_is_replaced_once(iam: Iam, tokens: IamTokens) -> None:
    rejected = await tokens.current()
    assert tokens.reject(rejected)
    renewed = await tokens.current()
    assert not tokens.reject(rejected)  # another request, sent with the same token
    assert await tokens.current() is renewed
    assert iam.asked == 2


async def test_a_rejected_one_is_not_used_while_iam_is_out_of_reach(iam: Iam, tokens: IamTokens) -> None:
    tokens.reject(await tokens.current())
    iam.statuses = UNREACHABLE.copy()
    with pytest.raises(IamUnreachableError):
        await tokens.current()


async def test_iam_is_asked_again_with_growing_pauses(iam: Iam, tokens: IamTokens, time: Time) -> None:
    iam.statuses = [429, 500, 503]
    assert (await tokens.current()).text == "token-0"
    assert len(time.pauses) == 3
    assert time.pauses == sorted(time.pauses)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_key_that_is_refused_is_not_tried_again(iam: Iam, tokens: IamTokens, status: int) -> None:
    iam.statuses = [status]
    with pytest.raises(ApiKeyRefusedError) as refused:
        await tokens.current()
    assert iam.asked == 1
    assert APIKEY not in str(refused.value)


async def test_nobody_there_is_no_refusal_and_the_error_holds_no_key(time: Time) -> None:
    async with IamTokens("http://127.0.0.1:1/identity/token", APIKEY, clock=time, sleep=time.sleep) as tokens:
        with pytest.raises(IamUnreachableError, match="cannot be reached") as failure:
            await tokens.current()
    assert failure.value.__cause__ is None
    assert len(time.pauses) == ATTEMPTS - 1


@pytest.mark.parametrize("lasts_s", [0, -1])
async def test_a_token_that_never_held_is_none(iam: Iam, tokens: IamTokens, lasts_s: float) -> None:
    iam.lasts_s = lasts_s
    with pytest.raises(IamUnreachableError, match="no token"):
        await tokens.current()


async def test_a_token_is_not_shown(tokens: IamTokens) -> None:
    token = await tokens.current()
    assert token.text not in repr(token)
