"""IBM Cloud as far as tests need it: IAM, which gives tokens for an API key, and a store that takes nothing else."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.store_proxy import Passing, Refusal, StoreProxy, served, store_proxy

APIKEY = "ibm-apikey-0123456789"
INSTANCE = "crn:v1:bluemix:public:cloud-object-storage:global:a/1:2::"


@dataclass
class Iam:
    """The token endpoint. `statuses` are answers of the next requests other than a token; `lasts_s` is what it says."""

    url: str = ""
    lasts_s: float = 3600
    statuses: list[int] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    asked: int = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def handle(self, request: web.Request) -> web.Response:
        """Exchange a key."""
        self.asked += 1
        form = await request.post()
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return web.json_response({"errorCode": "BXNIM0000E"}, status=status)
        assert form["grant_type"] == "urn:ibm:params:oauth:grant-type:apikey"
        if form["apikey"] != APIKEY:
            return web.json_response({"errorCode": "BXNIM0415E", "errorMessage": "not found"}, status=400)
        self.tokens.append(f"token-{next(self._numbers)}")
        return web.json_response(
            {"access_token": self.tokens[-1], "expires_in": self.lasts_s, "token_type": "Bearer", "refresh_token": "no"}
        )


@dataclass
class IbmCloud:
    """Both. A token holds for `uses` requests and is expired from then on, and so is every older one."""

    iam: Iam
    store: StoreProxy
    uses: int = 1_000_000
    refusal: Refusal = field(default_factory=lambda: Refusal(403, "ExpiredToken"))
    _used: int = 0
    _token: str = ""

    def refused(self, passing: Passing) -> Refusal | None:
        """What does not carry the current token and the instance."""
        token = passing.headers.get("authorization", "").removeprefix("Bearer ")
        if passing.headers.get("ibm-service-instance-id") != INSTANCE:
            return Refusal(400, "InvalidRequest")
        if token not in self.iam.tokens:
            return Refusal(403, "AccessDenied")
        if token != self.iam.tokens[-1]:
            return self.refusal
        if token != self._token:
            self._token, self._used = token, 0
        self._used += 1
        return self.refusal if self._used > self.uses else None


@asynccontextmanager
async def iam_of_ibm() -> AsyncIterator[Iam]:
    """A token endpoint."""
    iam = Iam()
    app = web.Application()
    app.router.add_post("/identity/token", iam.handle)
    async with served(app) as url:
        iam.url = f"{url}/identity/token"
        yield iam


@asynccontextmanager
async def ibm_cloud(store: str) -> AsyncIterator[IbmCloud]:
    """IAM, and a way to an S3 server that anyone may use, on which only IAM's tokens pass."""
    async with iam_of_ibm() as iam, store_proxy(store, anonymous=True) as proxy:
        cloud = IbmCloud(iam, proxy)
        proxy.refused = cloud.refused
        yield cloud
