"""`s3://` URIs and what they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.storage.s3_uri import MalformedS3UriError, s3_address, s3_uri


@given(st.text(max_size=200).filter(lambda key: not {".", ".."} & set(key.split("/"))))
def test_a_key_is_taken_as_it_stands(key: str) -> None:
    assert s3_address(s3_uri("calls", key)) == ("calls", key)


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [("s3://b-1.x", "b-1.x", ""), ("S3://calls/", "calls", ""), ("s3://calls//a%2Fb?c#d", "calls", "/a%2Fb?c#d")],
)
def test_the_parts_of_a_uri(uri: str, bucket: str, key: str) -> None:
    assert s3_address(uri) == (bucket, key)


@pytest.mark.parametrize(
    "uri",
    [
        *("s3://", "s3:///key", "s3:calls/key", "file:///a", "s3://a b/c", "s3://calls/" + "ü" * 513),
        *("s3://calls/..", "s3://calls/../others/a.wav", "s3://calls/a/./b.wav", "s3://calls/a/.."),
    ],
)
def test_what_names_no_object_is_refused(uri: str) -> None:
    with pytest.raises(MalformedS3UriError):
        s3_address(uri)
