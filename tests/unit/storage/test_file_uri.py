"""File URIs and paths."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.storage.file_uri import MalformedFileUriError, path_of, shown, uri_of


@given(st.binary(max_size=60).filter(lambda name: b"\0" not in name))
def test_every_path_survives_as_a_uri_of_plain_characters(name: bytes) -> None:
    path = os.fsdecode(b"/" + name)
    uri = uri_of(path)
    assert path_of(uri) == path
    assert uri.isascii()
    assert not set(uri) & set(' #?\\"<>')


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a/b c.wav", "/a/b c.wav"),
        ("file:///a/b%20c.wav", "/a/b c.wav"),
        ("file:///a/take#2?.wav", "/a/take#2?.wav"),
        ("file:///a/ü.wav", "/a/ü.wav"),
        ("file:///a/%C3%BC.wav", "/a/ü.wav"),
        ("file:///a/50%.wav", "/a/50%.wav"),
        ("file://localhost/a.wav", "/a.wav"),
        ("FILE:///a.wav", "/a.wav"),
    ],
)
def test_uris_typed_by_hand_are_understood(uri: str, path: str) -> None:
    assert path_of(uri) == path


@pytest.mark.parametrize("uri", ["file://a/b.wav", "file:/a/b.wav", "file://", "/a.wav", "s3://a/b", "file:///a%00b"])
def test_what_names_no_absolute_path_is_refused(uri: str) -> None:
    with pytest.raises(MalformedFileUriError):
        path_of(uri)


def test_names_that_are_not_utf8_can_be_shown() -> None:
    assert shown(os.fsdecode(b"caf\xe9.wav")) == r"caf\xe9.wav"
