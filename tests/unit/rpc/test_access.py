"""Credentials in requests: what is refused, that no secret is shown, and what becomes of them."""

from __future__ import annotations

import pytest
from google.protobuf import text_format

from batchscribe.v1 import batch_service_pb2 as batches
from batchscribe_server.domain.access import Profile, S3Credentials, StorageAccess
from batchscribe_server.domain.errors import InvalidArgumentError
from batchscribe_server.rpc.convert_batch import batch_message, new_batch
from batchscribe_server.rpc.validate_requests import check_create_batch
from tests.contract.store.samples import new_batch as stored_batch

S3 = 's3 { access_key_id: "AKIA" secret_access_key: "SECRET" }'
GOOD = [
    f'input {{ prefix {{ uri: "s3://calls/in" }} auth {{ {S3} }} }}',
    'input { prefix { uri: "s3://calls/in" } auth { profile: "calls" } } output { uri: "s3://out/" }',
    f'input {{ uri: "s3://calls/a.wav" }} output {{ uri: "s3://out/" auth {{ {S3} }} }}',
    f'input {{ prefix {{ uri: "file:///in" }} }} output {{ uri: "s3://out/" auth {{ {S3} }} }}',
    'input { manifest { files { uri: "file:///a.wav" } files { uri: "s3://calls/a.wav" } } auth { profile: "p" } }',
    'input { prefix { uri: "s3://calls/in" } } output { layout: OUTPUT_LAYOUT_ADJACENT auth { profile: "p" } }',
    'input { uri: "s3://c/a" auth { s3 { access_key_id: "A" secret_access_key: "S" endpoint: "http://[::1]:9/" } } }',
]
BAD = {
    'input { uri: "s3://c1/a" auth { } }': "batch.input.auth",
    'input { uri: "s3://c1/a" auth { profile: "" } }': "batch.input.auth.profile",
    f'input {{ uri: "file:///a.wav" auth {{ {S3} }} }}': "batch.input.auth.s3",
    f'input {{ media: "media/1" auth {{ {S3} }} }}': "batch.input.auth.s3",
    f'input {{ uri: "s3://c1/a" }} output {{ uri: "file:///out/" auth {{ {S3} }} }}': "batch.output.auth.s3",
    f'input {{ uri: "s3://c1/a" }} output {{ auth {{ {S3} }} }}': "batch.output.auth.s3",
    'input { uri: "s3://c1/a" auth { s3 { access_key_id: "A" } } }': "batch.input.auth.s3.secret_access_key",
    'input { uri: "s3://c1/a" auth { s3 { secret_access_key: "A" } } }': "batch.input.auth.s3.access_key_id",
    'input { uri: "s3://c1/a" auth { ibm { apikey: "A" } } }': "batch.input.auth.ibm",
    'input { uri: "s3://c1/a" auth { azure { account_key: "A" } } }': "batch.input.auth.azure",
} | {
    f'input {{ uri: "s3://c1/a" auth {{ s3 {{ access_key_id: "A" secret_access_key: "S" {more} }} }} }}': (
        f"batch.input.auth.s3.{more.partition(':')[0]}"
    )
    for more in (
        'endpoint: "s3.example.org"',
        'endpoint: "ftp://s3.example.org"',
        'endpoint: "https://user:pw@s3.example.org"',
        'endpoint: "https://s3.example.org/?a=b"',
        'endpoint: "https://s3.example.org:nought"',
        'endpoint: "https://s3_example.org"',
        r'region: "eu\nwest"',
        'region: "eu west"',
        'region: "-x"',
        'session_token: " token"',
    )
}


def request(text: str) -> batches.CreateBatchRequest:
    return text_format.Parse(f"batch {{ {text} }}", batches.CreateBatchRequest())


@pytest.mark.parametrize("text", GOOD)
def test_good_credentials_pass(text: str) -> None:
    check_create_batch(request(text))


@pytest.mark.parametrize(("text", "field"), BAD.items())
def test_bad_ones_are_named(text: str, field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        check_create_batch(request(text))
    assert field in {violation.field for violation in refused.value.violations}


def test_a_secret_that_is_refused_is_not_shown() -> None:
    bad = 'input { uri: "s3://c1/a" auth { s3 { access_key_id: "A" secret_access_key: "TOP SECRET\\n" } } }'
    with pytest.raises(InvalidArgumentError) as refused:
        check_create_batch(request(bad))
    assert "TOP SECRET" not in str(refused.value)


def test_outputs_are_reached_with_the_inputs_credentials_unless_they_have_their_own() -> None:
    own = S3Credentials("AKIA", "SECRET")
    assert new_batch(request(GOOD[0]).batch).access == StorageAccess(own, own)
    assert new_batch(request(GOOD[1]).batch).access == StorageAccess(Profile("calls"), Profile("calls"))
    assert new_batch(request(GOOD[2]).batch).access == StorageAccess(None, own)
    assert not new_batch(request('input { prefix { uri: "file:///in" } }').batch).access


def test_a_batch_is_shown_without_credentials() -> None:
    shown = batch_message(stored_batch())
    assert not shown.input.HasField("auth")
    assert not shown.output.HasField("auth")
