"""Credentials for Azure Blob Storage that come with a request: what they must hold."""

from __future__ import annotations

import base64

from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.access import is_account_url
from batchscribe_server.domain.errors import Violations
from batchscribe_server.rpc.limits import MAX_SECRET_CHARS
from batchscribe_server.rpc.names import shown
from batchscribe_server.rpc.sas_urls import is_signed

MAX_ACCOUNT_URL_CHARS = 1_024

_EXAMPLE = "https://NAME.blob.core.windows.net"


def check_azure(credentials: pb.AzureCredentials, path: str, violations: Violations) -> None:
    """Note what is wrong with the credentials. No secret is ever shown, nor what may hold one."""
    if problem := _account_url_problem(credentials.account_url):
        violations.add(f"{path}.account_url", problem)
    match credentials.WhichOneof("credential"):
        case "account_key":
            if problem := _key_problem(credentials.account_key):
                violations.add(f"{path}.account_key", problem)
        case "sas_token":
            if problem := _token_problem(credentials.sas_token):
                violations.add(f"{path}.sas_token", problem)
        case None:
            violations.add(path, "is incomplete: give an account_key or a sas_token")


def _account_url_problem(url: str) -> str:
    if not url:
        return f"is required: {_EXAMPLE}"
    if len(url) > MAX_ACCOUNT_URL_CHARS:
        return f"is longer than {MAX_ACCOUNT_URL_CHARS} characters"
    if {"?", "@", "#"} & set(url):
        return f"holds more than the account's URL, {_EXAMPLE}: a SAS token is given as sas_token"
    return "" if is_account_url(url) else f"{shown(url)} is not the URL of a storage account, {_EXAMPLE}"


def _key_problem(key: str) -> str:
    if not 0 < len(key) <= MAX_SECRET_CHARS:
        return f"must have 1 to {MAX_SECRET_CHARS} characters"
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        return "is not base64, as account keys are"
    return ""


def _token_problem(token: str) -> str:
    if not 0 < len(token) <= MAX_SECRET_CHARS:
        return f"must have 1 to {MAX_SECRET_CHARS} characters"
    if not token.isascii() or not token.isprintable() or " " in token:
        return "holds characters that no SAS token has"
    return "" if is_signed(token.removeprefix("?")) else "is not a SAS token, sv=…&sig=…"
