"""`az://` URIs and what they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.storage.azure_uri import MalformedAzureUriError, account_name, azure_address, azure_uri

# A name made of dots alone is no blob's.
names = st.text(max_size=200).filter(lambda name: not {".", ".."} & set(name.replace("\\", "/").split("/")))


@given(names)
def test_a_name_is_taken_as_it_stands(name: str) -> None:
    assert azure_address(azure_uri("calls", name)) == ("calls", name)


@pytest.mark.parametrize(
    ("uri", "container", "blob"),
    [
        ("az://calls-1", "calls-1", ""),
        ("AZ://calls/", "calls", ""),
        ("az://calls//a%2Fb?c#d", "calls", "/a%2Fb?c#d"),
        ("az://$root/a.wav", "$root", "a.wav"),
        ("az://calls/..a/b../...", "calls", "..a/b../..."),
        ("az://" + "a" * 63 + "/" + "ü" * 1024, "a" * 63, "ü" * 1024),
    ],
)
def test_the_parts_of_a_uri(uri: str, container: str, blob: str) -> None:
    assert azure_address(uri) == (container, blob)


@pytest.mark.parametrize(
    "uri",
    [
        "az://",
        "az:///blob",
        "az:calls/blob",
        "file:///a",
        "az://ab/c",
        "az://" + "a" * 64 + "/c",
        "az://Calls/c",
        "az://two--hyphens/c",
        "az://-calls/c",
        "az://calls-/c",
        "az://calls.x/c",
        "az://calls\n/c",
        "az://$other/c",
        "az://calls/" + "x" * 1025,
        "az://calls/../others/a.wav",
        "az://calls/a/..",
        "az://calls/a\\..\\..\\others/b.wav",
        "az://calls/./a.wav",
    ],
)
def test_what_names_no_blob_is_refused(uri: str) -> None:
    with pytest.raises(MalformedAzureUriError):
        azure_address(uri)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://spoken.blob.core.windows.net", "spoken"),
        ("https://spoken.blob.core.windows.net/", "spoken"),
        ("http://127.0.0.1:10000/spoken", "spoken"),
        ("http://127.0.0.1:10000/spoken/", "spoken"),
        ("", ""),
    ],
)
def test_the_account_that_a_url_names(url: str, name: str) -> None:
    assert account_name(url) == name
