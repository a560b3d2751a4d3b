"""Tokens of IBM Cloud's IAM, each good for an hour, for an API key.

The exchange is described at cloud.ibm.com/docs/account, "Generating an IBM Cloud IAM token by using an API key".
Neither the key nor a token is ever logged, or part of an error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

import httpx
import msgspec

from batchscribe_server.storage.download import pause_s

ATTEMPTS = 5
"""How often IAM is asked in a row, with pauses of some three seconds together, before it counts as out of reach."""

AHEAD_S = 300.0
"""How long before its end a token is replaced; one that lasts no half an hour is after four fifths of its time."""

AGAIN_AFTER_S = 30.0
"""How long a token that still holds goes on being used after IAM could not be reached for the next one."""

_TIMEOUT_S = 10.0
_GRANT_TYPE = "urn:ibm:params:oauth:grant-type:apikey"
_REFUSED = frozenset({400, 401, 403})


class ApiKeyRefusedError(Exception):
    """IAM does not take the API key: it is wrong, was deleted, or is locked."""


class IamUnreachableError(Exception):
    """IAM gave no token and may do so later; the message is plain words."""


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class IamToken:
    """A token, and until when it is used, in seconds of the clock."""

    text: str = field(repr=False)
    exchanged_s: float
    renewed_s: float
    expires_s: float


class IamTokens:
    """The current token of one API key. To be used as a context, which holds the connections."""

    def __init__(
        self,
        url: str,
        apikey: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._apikey = apikey
        self._clock = clock
        self._sleep = sleep
        self._token: IamToken | None = None
        self._rejected = False
        self._not_before_s = float("-inf")
        self._exchanging = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._http = await asyncio.to_thread(httpx.AsyncClient, timeout=_TIMEOUT_S)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def current(self) -> IamToken:
        """A token that holds, exchanged by one at a time. Where there is none, all who ask wait for it; one that is to
        be replaced soon goes on being used by all but the one who tries, once, to replace it.

        Raises ApiKeyRefusedError and IamUnreachableError.
        """
        if (token := self._good()) is not None:
            return token
        if (token := self._holding()) is not None:
            if self._exchanging.locked():
                return token
            await self._try_to_replace()
        async with self._exchanging:
            if (token := self._good()) is not None:
                return token
            return self._use(await self._exchanged())

    def reject(self, token: IamToken) -> bool:
        """The store does not take this token, whatever its time: the next one asked for is another.

        False where the token has been replaced already.
        """
        if token is not self._token or self._rejected:
            return False
        self._rejected = True
        return True

    def age_s(self, token: IamToken) -> float:
        """How long ago the token was exchanged, in seconds."""
        return self._clock() - token.exchanged_s

    def _good(self) -> IamToken | None:
        token = self._holding()
        if token is None:
            return None
        return token if self._clock() < max(token.renewed_s, self._not_before_s) else None

    def _holding(self) -> IamToken | None:
        token = self._token
        return None if token is None or self._rejected or self._clock() >= token.expires_s else token

    def _use(self, token: IamToken) -> IamToken:
        self._token, self._rejected = token, False
        return token

    async def _try_to_replace(self) -> None:
        async with self._exchanging:
            try:
                self._use(await self._exchange())
            except IamUnreachableError:
                self._not_before_s = self._clock() + AGAIN_AFTER_S

    async def _exchanged(self) -> IamToken:
        for failures in range(1, ATTEMPTS):
            try:
                return await self._exchange()
            except IamUnreachableError:
                await self._sleep(pause_s(failures))
        return await self._exchange()

    async def _exchange(self) -> IamToken:
        asked_s = self._clock()
        try:
            response = await self._http.post(
                self._url,
                data={"grant_type": _GRANT_TYPE, "apikey": self._apikey},
                headers={"Accept": "application/json"},
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            # Without its cause, which holds the request and so the key.
            raise IamUnreachableError(f"IBM Cloud IAM cannot be reached ({type(error).__name__})") from None
        if response.status_code in _REFUSED:
            raise ApiKeyRefusedError("IBM Cloud IAM does not take the API key")
        if response.status_code != httpx.codes.OK:
            raise IamUnreachableError(f"IBM Cloud IAM answered {response.status_code}")
        try:
            answer = msgspec.json.decode(response.content, type=_Answer)
        except msgspec.MsgspecError:
            raise IamUnreachableError("IBM Cloud IAM answered something that is no token") from None
        if not answer.access_token.isascii() or not answer.access_token.isprintable() or answer.expires_in <= 0:
            raise IamUnreachableError("IBM Cloud IAM answered something that is no token")
        ahead_s = min(AHEAD_S, answer.expires_in / 5)
        expires_s = asked_s + answer.expires_in
        return IamToken(answer.access_token, asked_s, expires_s - ahead_s, expires_s)
