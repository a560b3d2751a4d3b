"""What URLs of services and accounts look like, wherever they are named."""

from __future__ import annotations

import pytest

from batchscribe_server.domain.access import is_account_url, is_bare_url, is_endpoint

ENDPOINTS = ["https://s3.example.org", "http://store:9000/", "http://127.0.0.1:9000", "http://[::1]:9000"]
ACCOUNTS = ["http://127.0.0.1:10000/devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1/"]
BARE = ["https://iam.cloud.ibm.com/identity/token", "http://llm_server:8000/v1"]
NEITHER = [
    "",
    "spoken",
    "ftp://spoken",
    "https://",
    "https://host:port",
    "https://[::1",
    "https://user:secret@host/",
    "https://host/?sig=secret",
    "https://host/?",
    "https://host/#secret",
]


@pytest.mark.parametrize("url", [*ENDPOINTS, *ACCOUNTS, *BARE, *NEITHER])
def test_each_is_told_from_the_others(url: str) -> None:
    assert is_endpoint(url) == (url in ENDPOINTS)
    assert is_account_url(url) == (url in (*ENDPOINTS, *ACCOUNTS))
    assert is_bare_url(url) == (url not in NEITHER)
