"""What Azure's answers mean, in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batchscribe_server.storage.azure_answers import denial, failure

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expires", "expired"),
    [
        ("2026-05-04T11%3A59%3A59Z", True),
        ("2026-05-04T12:01Z", False),
        ("2026-05-04", True),
        ("2026-05-05", False),
        ("soon", False),
    ],
)
def test_a_token_that_has_expired_is_told_as_such(expires: str, expired: bool) -> None:
    words = denial("AuthenticationFailed", 403, f"?sv=2026-02-06&se={expires}&sig=abc", NOW)
    assert words == ("the SAS token has expired" if expired else "the SAS token is not valid")


@pytest.mark.parametrize(
    ("code", "status", "sas_token", "words"),
    [
        ("AuthenticationFailed", 403, "", "the account key is wrong"),
        ("AuthenticationFailed", 403, "si=policy&sig=abc", "the SAS token is not valid"),
        ("AuthorizationPermissionMismatch", 403, "sig=abc", "the SAS token does not permit this"),
        ("PublicAccessNotPermitted", 409, "", "access is denied without an account key or a SAS token"),
        ("SomethingNew", 403, "", "access is denied"),
        ("", 401, "", "access is denied"),
        ("BlobNotFound", 404, "", ""),
        ("BlobAlreadyExists", 409, "se=2026-01-01&sig=abc", ""),
        ("", None, "", ""),
    ],
)
def test_what_is_said_of_an_answer(code: str, status: int | None, sas_token: str, words: str) -> None:
    assert denial(code, status, sas_token, NOW) == words


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("ContainerNotFound", 404, "there is no such container"),
        ("ContainerBeingDeleted", 409, "there is no such container"),
        ("BlobNotFound", 404, "there is no blob az://calls/a.wav"),
        ("ServerBusy", 503, "answered ServerBusy"),
        ("", 418, "answered 418"),
    ],
)
def test_what_is_said_where_access_is_not_the_matter(code: str, status: int, words: str) -> None:
    assert words in failure("az://calls/a.wav", code, status)
