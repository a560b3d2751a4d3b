"""Clients of services that speak S3: how they are set up. The only module that imports aioboto3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
from botocore import UNSIGNED
from botocore.config import Config

from batchscribe_server.domain.access import Encryption
from batchscribe_server.storage.ibm_iam import IamToken, IamTokens
from batchscribe_server.storage.s3_answers import EXPIRED
from batchscribe_server.storage.s3_options import IbmKey, S3Options

_CONNECTIONS = 0
"""No bound: with one, a bucket that hangs would keep them all. How many are used is bounded where jobs are claimed."""

_TOKEN = "batchscribe_iam_token"  # noqa: S105 - a name
_SENT_AGAIN = "batchscribe_sent_again"

MOST_AGAIN = 3
"""How often a request is sent again with the token that another request had to ask for."""

_YOUNG_S = 60.0
"""Whose token is younger is denied for another reason: a new one is not asked for."""


@asynccontextmanager
async def opened_client(options: S3Options) -> AsyncIterator[Any]:
    """A client with these options, which go along with every call that knows them."""
    session = aioboto3.Session(
        aws_access_key_id=options.access_key_id or None,
        aws_secret_access_key=options.secret_access_key or None,
        aws_session_token=options.session_token or None,
        region_name=options.region or None,
    )
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard", "max_attempts": options.max_attempts},
        s3={"addressing_style": options.addressing},
        signature_version=UNSIGNED if options.ibm else None,
        # Checksums are this service's own affair: other stores than AWS's don't know the newer ones.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with session.client("s3", endpoint_url=options.endpoint or None, config=config) as client:
        _send_along(client, _parameters(options))
        if options.ibm is None:
            yield client
            return
        async with IamTokens(options.ibm.iam_url, options.ibm.apikey) as tokens:
            _Bearer(options.ibm, tokens).register(client)
            yield client


def _parameters(options: S3Options) -> dict[str, str]:
    parameters = {}
    if options.requester_pays:
        parameters["RequestPayer"] = "requester"
    if options.encryption is not None:
        parameters["ServerSideEncryption"] = options.encryption.value
    if options.encryption is Encryption.KMS and options.kms_key_id:
        parameters["SSEKMSKeyId"] = options.kms_key_id
    return parameters


def _send_along(client: Any, parameters: dict[str, str]) -> None:
    """Let these parameters go along with all calls that have them, so that none is forgotten."""

    def add(params: dict[str, Any], model: Any, **_: object) -> None:
        members = model.input_shape.members if model.input_shape else ()
        for name in parameters.keys() & set(members):
            params.setdefault(name, parameters[name])

    if parameters:
        client.meta.events.register("before-parameter-build.s3", add)


class _Bearer:
    """Lets requests carry a token of IAM instead of a signature. What is refused for its token is sent once more."""

    def __init__(self, key: IbmKey, tokens: IamTokens) -> None:
        self._key = key
        self._tokens = tokens

    def register(self, client: Any) -> None:
        """Act on all requests of a client, which is not to sign them."""
        client.meta.events.register("before-sign.s3", self._sign)
        client.meta.events.register("needs-retry.s3", self._once_more)

    async def _sign(self, request: Any, **_: object) -> None:
        token = await self._tokens.current()
        request.headers["Authorization"] = f"Bearer {token.text}"
        request.headers["ibm-service-instance-id"] = self._key.resource_instance_id
        request.context[_TOKEN] = token

    def _once_more(self, response: Any, request_dict: dict[str, Any], **_: object) -> int | None:
        """The seconds to wait before the request is sent again, or None to leave it at that."""
        context = request_dict["context"]
        token = context.get(_TOKEN)
        sent_again = context.get(_SENT_AGAIN, 0)
        if response is None or token is None or sent_again == MOST_AGAIN:
            return None
        http, parsed = response
        if not self._is_refused(token, http.status_code, str(parsed.get("Error", {}).get("Code", ""))):
            return None
        # Where another has replaced the token since, what is refused says nothing about the next one.
        context[_SENT_AGAIN] = MOST_AGAIN if self._tokens.reject(token) else sent_again + 1
        return 0

    def _is_refused(self, token: IamToken, status: int, code: str) -> bool:
        """Whether the store refuses the token itself. Where it only says that access is denied, a young one holds."""
        if status == 401 or code in EXPIRED:
            return True
        return status == 403 and self._tokens.age_s(token) >= _YOUNG_S
