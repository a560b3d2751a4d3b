"""Credentials in requests: what is refused, that no secret is shown, and what becomes of them."""

from __future__ import annotations

import pytest
from google.protobuf import text_format

from batchscribe.v1 import batch_service_pb2 as batches
from batchscribe_server.domain.access import (
    AzureCredentials,
    Encryption,
    IbmCredentials,
    Profile,
    S3Credentials,
    StorageAccess,
)
from batchscribe_server.domain.errors import InvalidArgumentError
from batchscribe_server.rpc.convert_batch import batch_message, new_batch
from batchscribe_server.rpc.validate_requests import check_create_batch
from tests.contract.store.samples import new_batch as stored_batch

S3 = 's3 { access_key_id: "AKIA" secret_access_key: "SECRET" }'
AZURE = 'azure { account_url: "https://spoken.blob.core.windows.net" account_key: "c2VjcmV0" }'
ENCRYPTED = f"{S3[:-1]} server_side_encryption: SERVER_SIDE_ENCRYPTION_KMS kms_key_id: 'alias/calls' }}"
IBM = 'ibm { apikey: "A" endpoint: "https://cos.example.org" resource_instance_id: "crn:v1:1::" region: "eu-de" }'
GOOD = [
    f'input {{ prefix {{ uri: "s3://calls/in" }} auth {{ {S3} }} }}',
    'input { prefix { uri: "s3://calls/in" } auth { profile: "calls" } } output { uri: "s3://out/" }',
    f'input {{ uri: "s3://calls/a.wav" }} output {{ uri: "s3://out/" auth {{ {S3} }} }}',
    f'input {{ prefix {{ uri: "file:///in" }} }} output {{ uri: "s3://out/" auth {{ {S3} }} }}',
    'input { manifest { files { uri: "file:///a.wav" } files { uri: "s3://calls/a.wav" } } auth { profile: "p" } }',
    'input { prefix { uri: "s3://calls/in" } } output { layout: OUTPUT_LAYOUT_ADJACENT auth { profile: "p" } }',
    f'input {{ prefix {{ uri: "az://calls/in" }} auth {{ {AZURE} }} }}',
    f'input {{ uri: "s3://calls/a" auth {{ {S3} }} }} output {{ uri: "az://out/" auth {{ {AZURE} }} }}',
    'input { uri: "az://calls/a" auth { profile: "calls" } }',
    'input { uri: "s3://calls/a" auth { profile: "calls" } } output { uri: "s3://[out/" }',  # for the store to refuse
    'input { uri: "s3://c/a" auth { s3 { access_key_id: "A" secret_access_key: "S" endpoint: "http://[::1]:9/" } } }',
    f'input {{ uri: "s3://c1/a" auth {{ {IBM} }} }} output {{ uri: "s3://out/" auth {{ {ENCRYPTED} }} }}',
    f'input {{ uri: "s3://c1/a" auth {{ {ENCRYPTED} }} }} output {{ uri: "s3://out/" }}',
    f'input {{ prefix {{ uri: "s3://c1/a" }} auth {{ {ENCRYPTED} }} }} output {{ layout: OUTPUT_LAYOUT_ADJACENT }}',
    'input { uri: "s3://c/a" auth { s3 { access_key_id: "A" secret_access_key: "S" requester_pays: true } } }',
]
BAD = (
    {
        'input { uri: "s3://c1/a" auth { } }': "batch.input.auth",
        'input { uri: "s3://c1/a" auth { profile: "" } }': "batch.input.auth.profile",
        f'input {{ uri: "file:///a.wav" auth {{ {S3} }} }}': "batch.input.auth.s3",
        f'input {{ media: "media/1" auth {{ {S3} }} }}': "batch.input.auth.s3",
        f'input {{ uri: "s3://c1/a" }} output {{ uri: "file:///out/" auth {{ {S3} }} }}': "batch.output.auth.s3",
        f'input {{ uri: "s3://c1/a" }} output {{ auth {{ {S3} }} }}': "batch.output.auth.s3",
        'input { uri: "s3://c1/a" auth { s3 { access_key_id: "A" } } }': "batch.input.auth.s3.secret_access_key",
        'input { uri: "s3://c1/a" auth { s3 { secret_access_key: "A" } } }': "batch.input.auth.s3.access_key_id",
        'input { uri: "s3://c1/a" auth { ibm { apikey: "A" endpoint: "https://c.example" } } }': (
            "batch.input.auth.ibm.resource_instance_id"
        ),
        'input { uri: "s3://c1/a" auth { ibm { apikey: "A" resource_instance_id: "1" } } }': (
            "batch.input.auth.ibm.endpoint"
        ),
        f'input {{ uri: "file:///a.wav" auth {{ {IBM} }} }}': "batch.input.auth.ibm",
        # outputs that are not written with the credentials that say how they are to be encrypted
        f'input {{ uri: "s3://c1/a" auth {{ {ENCRYPTED} }} }}': "batch.input.auth.s3.server_side_encryption",
        f'input {{ uri: "s3://c1/a" auth {{ {ENCRYPTED} }} }} output {{ uri: "file:///out/" }}': (
            "batch.input.auth.s3.server_side_encryption"
        ),
        f'input {{ uri: "s3://c1/a" auth {{ {ENCRYPTED} }} }} output {{ uri: "s3://out/" auth {{ profile: "p" }} }}': (
            "batch.input.auth.s3.server_side_encryption"
        ),
        f'input {{ uri: "s3://c1/a" auth {{ {AZURE} }} }}': "batch.input.auth.azure",
        f'input {{ uri: "az://calls/a" auth {{ {S3} }} }}': "batch.input.auth.s3",
        'input { uri: "file:///a" auth { profile: "calls" } }': "batch.input.auth.profile",
        'input { uri: "az://calls/a" auth { azure { account_url: "https://spoken.blob.core.windows.net" } } }': (
            "batch.input.auth.azure"
        ),
        'input { uri: "az://calls/a" auth { azure { account_key: "c2VjcmV0" } } }': (
            "batch.input.auth.azure.account_url"
        ),
    }
    | {
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
            'kms_key_id: "alias/calls"',
            'kms_key_id: "alias/calls" server_side_encryption: SERVER_SIDE_ENCRYPTION_AES256',
            'kms_key_id: "a b" server_side_encryption: SERVER_SIDE_ENCRYPTION_KMS',
            "server_side_encryption: 9",
        )
    }
    | {
        f'input {{ uri: "s3://c1/a" auth {{ ibm {{ {more} }} }} }}': f"batch.input.auth.ibm.{more.partition(':')[0]}"
        for more in (
            r'apikey: "A\n"',
            'endpoint: "cos.example.org"',
            'resource_instance_id: "crn v1"',
            r'resource_instance_id: "a\r\nb"',
            'region: "eu de"',
        )
    }
)


def request(text: str) -> batches.CreateBatchRequest:
    return text_format.Parse(f"batch {{ {text} }}", batches.CreateBatchRequest())


@pytest.mark.parametrize("text", GOOD)
def test_good_credentials_pass(text: str) -> None:
    check_create_batch(request(text))
    assert new_batch(request(text).batch).access


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


def test_local_outputs_take_no_credentials() -> None:
    text = f'{GOOD[0]} output {{ uri: "file:///out/" }}'
    assert new_batch(request(text).batch).access == StorageAccess(S3Credentials("AKIA", "SECRET"), None)


def azure(more: str) -> str:
    return f'input {{ uri: "az://calls/a.wav" auth {{ azure {{ {more} }} }} }}'


@pytest.mark.parametrize(
    ("url", "token", "kept"),
    [
        (
            "https://spoken.blob.core.windows.net/",
            "?sv=2026-02-06&sig=SECRET%3D",
            ("https://spoken.blob.core.windows.net", "sv=2026-02-06&sig=SECRET%3D"),
        ),
        ("http://127.0.0.1:10000/spoken", "sig=SECRET&sv=1", ("http://127.0.0.1:10000/spoken", "sig=SECRET&sv=1")),
    ],
)
def test_azures_tokens_are_taken_as_they_are_copied(url: str, token: str, kept: tuple[str, str]) -> None:
    message = request(azure(f'account_url: "{url}" sas_token: "{token}"'))
    check_create_batch(message)
    access = new_batch(message.batch).access
    assert access.input == access.output == AzureCredentials(kept[0], sas_token=kept[1])
    assert "SECRET" not in repr(access)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ('account_url: "spoken" account_key: "c2VjcmV0"', "account_url"),
        ('account_url: "ftp://spoken" account_key: "c2VjcmV0"', "account_url"),
        ('account_url: "https://a.example.org/b/c" account_key: "c2VjcmV0"', "account_url"),
        ('account_url: "https://a.example.org/calls?sv=1&sig=SECRET" account_key: "c2VjcmV0"', "account_url"),
        ('account_url: "https://u:SECRET@a.example.org" account_key: "c2VjcmV0"', "account_url"),
        ('account_url: "https://a.example.org" account_key: "no base64, SECRET"', "account_key"),
        ('account_url: "https://a.example.org" account_key: ""', "account_key"),
        ('account_url: "https://a.example.org" sas_token: "SECRET"', "sas_token"),
        ('account_url: "https://a.example.org" sas_token: "sv=1&sig=SECRET\\n"', "sas_token"),
        ('account_url: "https://a.example.org" sas_token: "https://a.example.org/calls?sv=1&sig=SECRET "', "sas_token"),
    ],
)
def test_what_is_no_way_to_azure_is_named_and_not_shown(more: str, field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        check_create_batch(request(azure(more)))
    assert [violation.field for violation in refused.value.violations] == [f"batch.input.auth.azure.{field}"]
    assert "SECRET" not in str([violation.description for violation in refused.value.violations])


SAS = "https://spoken.blob.core.windows.net/calls?sv=1&sr=c&sp=rl&sig=SECRET"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (f'input {{ prefix {{ uri: "{SAS}" }} }}', "batch.input.prefix.uri"),
        (f'input {{ prefix {{ uri: "{SAS.replace("?", "/may/?")}" }} }}', "batch.input.prefix.uri"),
        (f'input {{ uri: "s3://calls/a" }} output {{ uri: "{SAS}" }}', "batch.output.uri"),
        (f'input {{ uri: "{SAS}" }}', "batch.input.uri"),
        (f'input {{ fetch {{ url: "{SAS}" }} }}', "batch.input.fetch.url"),
    ],
)
def test_a_containers_sas_url_is_told_how_to_be_given(text: str, field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        check_create_batch(request(text))
    [violation] = refused.value.violations
    assert violation.field == field
    assert "az://container" in violation.description
    assert "auth.azure.sas_token" in violation.description
    assert "SECRET" not in violation.description


def test_a_blobs_sas_url_is_a_url_like_others() -> None:
    check_create_batch(request(f'input {{ uri: "{SAS.replace("?", "/a.wav?")}" }}'))


def test_all_that_credentials_hold_is_taken_over() -> None:
    ibm = IbmCredentials("A", "https://cos.example.org", "crn:v1:1::", "eu-de")
    encrypted = S3Credentials("AKIA", "SECRET", encryption=Encryption.KMS, kms_key_id="alias/calls")
    assert new_batch(request(next(text for text in GOOD if IBM in text)).batch).access == StorageAccess(ibm, encrypted)
    paid = S3Credentials("A", "S", requester_pays=True)
    assert new_batch(request(GOOD[-1]).batch).access == StorageAccess(paid, paid)


def test_a_batch_is_shown_without_credentials() -> None:
    shown = batch_message(stored_batch())
    assert not shown.input.HasField("auth")
    assert not shown.output.HasField("auth")
