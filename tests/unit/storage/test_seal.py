"""Credentials are unreadable where they lie, and come back whole to who has the key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from batchscribe_server.domain.access import (
    AzureCredentials,
    Encryption,
    Fetch,
    IbmCredentials,
    Profile,
    S3Credentials,
    StorageAccess,
)
from batchscribe_server.operations.access import SealBrokenError
from batchscribe_server.storage.seal import FernetSeal, key_of, keys_in

OWN = S3Credentials("AKIA-access", "secret-0123456789", "token-0123456789", "https://s3.example.org", "eu-west-1")
FETCH = Fetch("https://example.org/a.wav?X-Signature=0123456789", (("Authorization", "Bearer 0123456789"),))
ENCRYPTED = S3Credentials("A", "S", requester_pays=True, encryption=Encryption.KMS, kms_key_id="alias/calls")
IBM = IbmCredentials("apikey-0123456789", "https://cos.example.org", "crn:v1:1::", "eu-de")
ACCESSES = [
    StorageAccess(OWN, OWN),
    StorageAccess(OWN, Profile("archive")),
    StorageAccess(None, OWN),
    StorageAccess(Profile("calls"), None),
    StorageAccess(FETCH, None),
    StorageAccess(AzureCredentials("https://spoken.blob.core.windows.net", sas_token="sv=1&sig=2"), OWN),
    StorageAccess(IBM, ENCRYPTED),
]


def new_key() -> str:
    return Fernet.generate_key().decode()


@pytest.mark.parametrize("access", ACCESSES)
def test_what_is_sealed_comes_back(access: StorageAccess) -> None:
    seal = FernetSeal([new_key()])
    assert seal.opened(seal.sealed(access)) == access


@pytest.mark.parametrize("part", [OWN.access_key_id, OWN.secret_access_key, OWN.session_token, "example.org"])
def test_nothing_of_it_can_be_read(part: str) -> None:
    assert part.encode() not in FernetSeal([new_key()]).sealed(StorageAccess(OWN, OWN))
    if part in (OWN.secret_access_key, OWN.session_token):
        assert part not in repr(StorageAccess(OWN, OWN))


def test_nothing_of_a_fetch_can_be_read_where_it_lies_or_is_logged() -> None:
    access = StorageAccess(FETCH)
    assert access.holds_secrets
    assert b"0123456789" not in FernetSeal([new_key()]).sealed(access)
    assert "0123456789" not in repr(access)


def test_an_apikey_is_a_secret_as_well() -> None:
    access = StorageAccess(IBM, Profile("archive"))
    assert access.holds_secrets
    assert IBM.apikey not in repr(access)
    assert IBM.apikey.encode() not in FernetSeal([new_key()]).sealed(access)


def test_what_was_sealed_before_there_was_more_to_say_is_opened() -> None:
    key = new_key()
    old = b'[["s3",{"access_key_id":"A","secret_access_key":"S","session_token":"","endpoint":"","region":""}],null]'
    assert FernetSeal([key]).opened(Fernet(key).encrypt(old)) == StorageAccess(S3Credentials("A", "S"), None)


def test_a_new_key_seals_and_an_old_one_still_opens() -> None:
    old, new = new_key(), new_key()
    sealed_before = FernetSeal([old]).sealed(ACCESSES[0])
    rotated = FernetSeal([new, old])
    assert rotated.opened(sealed_before) == ACCESSES[0]
    assert FernetSeal([new]).opened(rotated.sealed(ACCESSES[1])) == ACCESSES[1]


def test_another_key_opens_nothing() -> None:
    sealed = FernetSeal([new_key()]).sealed(ACCESSES[0])
    with pytest.raises(SealBrokenError):
        FernetSeal([new_key()]).opened(sealed)


def test_what_was_tampered_with_is_refused() -> None:
    seal = FernetSeal([new_key()])
    sealed = bytearray(seal.sealed(ACCESSES[0]))
    sealed[len(sealed) // 2] ^= 1
    with pytest.raises(SealBrokenError):
        seal.opened(bytes(sealed))


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    key = key_of(path)
    assert key_of(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    FernetSeal([key])


def test_marks_tell_keys_apart_and_nothing_of_them() -> None:
    one, other = new_key(), new_key()
    marks = FernetSeal([one, other]).marks
    assert len(set(marks)) == 2
    assert list(FernetSeal([other, one]).marks) == [marks[1], marks[0]]
    assert not any(one[start : start + 6] in mark for mark in marks for start in range(len(one) - 6))


def test_what_one_server_seals_another_with_the_same_file_of_keys_opens(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    old = new_key()
    path.write_text(f"{old}\n")
    sealed = FernetSeal(keys_in(path)).sealed(ACCESSES[0])
    path.write_text(f"{new_key()}\n\n  {old}\r\n")
    assert len(keys_in(path)) == 2
    assert FernetSeal(keys_in(path)).opened(sealed) == ACCESSES[0]
